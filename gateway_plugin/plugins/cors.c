/*
 * Kong's cors: answers a preflight itself, and says on other answers which
 * origins may read them. It runs before who comes in is asked for: a browser
 * sends no credentials with a preflight.
 */
#include "plugins/plugins.h"

#include "exchange/answer.h"
#include "base/buf.h"
#include "transform/cors_origin.h"
#include "exchange/exchange.h"

struct cors {
    struct texts origins, methods, headers, exposed_headers;
    int64_t max_age; /* NO_AGE: none is told */
    bool credentials, preflight_continue, private_network, allow_origin_absent;
    struct cors_origin *rules;
    const char *methods_text, *headers_text, *exposed_text, *age_text; /* NULL: none */
};

enum { NO_AGE = -2 };

static const char *const methods[] = { "GET",    "HEAD",    "PUT",   "PATCH",   "POST",
                                       "DELETE", "OPTIONS", "TRACE", "CONNECT", NULL };

static bool is_header_name(const char *text)
{
    return strcmp(text, "*") == 0 || is_token(text, strlen(text));
}

#define HEADER_RULE .valid = is_header_name, .rule = "is no header name"

static const struct option options[] = {
    OPTION("origins", OPTION_TEXTS, struct cors, origins, .valid = cors_origin_valid,
           .rule = "is neither *, an origin (https://example.com), a host nor a regular expression"),
    OPTION("methods", OPTION_TEXTS, struct cors, methods, .choices = methods),
    OPTION("headers", OPTION_TEXTS, struct cors, headers, HEADER_RULE),
    OPTION("exposed_headers", OPTION_TEXTS, struct cors, exposed_headers, HEADER_RULE),
    OPTION("max_age", OPTION_INTEGER, struct cors, max_age, .min = -1, .max = 1 << 30),
    OPTION("credentials", OPTION_FLAG, struct cors, credentials),
    OPTION("preflight_continue", OPTION_FLAG, struct cors, preflight_continue),
    OPTION("private_network", OPTION_FLAG, struct cors, private_network),
    OPTION("allow_origin_absent", OPTION_FLAG, struct cors, allow_origin_absent),
    { 0 },
};

static void defaults(void *config)
{
    static const char *all[] = { "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT" };
    *(struct cors *)config = (struct cors){ .methods = { all, 9 }, .max_age = NO_AGE, .allow_origin_absent = true };
}

static const char *join(struct arena *arena, const struct texts *texts)
{
    struct buf out = BUF(arena);
    for (size_t i = 0; i < texts->count; i++)
        buf_printf(&out, "%s%s", i ? "," : "", texts->items[i]);
    return out.data;
}

static void prepare(struct arena *arena, const struct kong_plugin *row, void *config)
{
    struct cors *cors = config;
    (void)row;
    cors->rules = arena_array(arena, struct cors_origin, cors->origins.count + 1);
    for (size_t i = 0; i < cors->origins.count; i++)
        cors->rules[i] = cors_origin_make(arena, cors->origins.items[i]);
    cors->methods_text = join(arena, &cors->methods);
    cors->headers_text = join(arena, &cors->headers);
    cors->exposed_text = join(arena, &cors->exposed_headers);
    if (cors->max_age != NO_AGE)
        cors->age_text = arena_printf(arena, "%lld", (long long)cors->max_age);
}

static const char *sent_header(struct exchange *x, const char *name)
{
    size_t count;
    const h2o_iovec_t *value = exchange_request_header(x, name, &count);
    return value && value->len ? exchange_text(x, *value) : NULL;
}

static bool is_preflight(const struct exchange *x)
{
    size_t count;
    const h2o_iovec_t *origin = x->method == METHOD_OPTIONS ? exchange_request_header(x, "origin", &count) : NULL;
    return origin && origin->len && exchange_request_header(x, "access-control-request-method", &count);
}

static const struct cors_origin *rule_for(const struct cors *cors, const struct sent_origin *sent)
{
    for (size_t i = 0; i < cors->origins.count; i++)
        if (cors_origin_fits(&cors->rules[i], sent))
            return &cors->rules[i];
    return NULL;
}

/* The origin that is let in: "*", the only one that there is, or the one that asks. NULL: none. */
static const char *origin_for(struct exchange *x, const struct cors *cors, const char *origin)
{
    const struct cors_origin *only = cors->origins.count == 1 ? cors->rules : NULL;
    if (!cors->origins.count || (only && only->any))
        return "*";
    exchange_header(x, "vary", "Origin");
    if (only && !only->pattern)
        return only->text;
    if (!origin)
        return NULL;
    struct sent_origin sent = sent_origin_read(origin, strlen(origin));
    const struct cors_origin *rule = rule_for(cors, &sent);
    if (!rule)
        return NULL;
    return rule->any ? "*" : exchange_printf(x, "%.*s", (int)sent.size, sent.text);
}

static void let_in(struct exchange *x, const struct cors *cors, const char *origin)
{
    const char *allowed = origin_for(x, cors, origin);
    bool any = allowed && strcmp(allowed, "*") == 0, credentials = cors->credentials && (!any || origin);
    exchange_drop_header(x, "access-control-allow-origin");
    if (any && credentials) {
        /* No browser takes both. */
        exchange_header(x, "vary", "Origin");
        allowed = origin;
    }
    if (allowed)
        exchange_header(x, "access-control-allow-origin", allowed);
    if (allowed && credentials)
        exchange_set_header(x, "access-control-allow-credentials", "true");
}

static void allow_headers(struct exchange *x, const struct cors *cors)
{
    const char *wanted = cors->headers_text ? cors->headers_text : sent_header(x, "access-control-request-headers");
    if (wanted)
        exchange_header(x, "access-control-allow-headers", wanted);
}

static enum verdict access_preflight(struct exchange *x, const void *config)
{
    const struct cors *cors = config;
    if (!is_preflight(x) || cors->preflight_continue)
        return VERDICT_NEXT;
    let_in(x, cors, sent_header(x, "origin"));
    allow_headers(x, cors);
    if (cors->methods_text)
        exchange_header(x, "access-control-allow-methods", cors->methods_text);
    if (cors->age_text)
        exchange_header(x, "access-control-max-age", cors->age_text);
    const char *private = cors->private_network ? sent_header(x, "access-control-request-private-network") : NULL;
    if (private && strcmp(private, "true") == 0)
        exchange_header(x, "access-control-allow-private-network", "true");
    x->req->res.status = 200;
    x->req->res.reason = reason_phrase(200);
    exchange_give(x, "", 0);
    return VERDICT_ANSWERED;
}

static void head_of_answer(struct exchange *x, const void *config)
{
    const struct cors *cors = config;
    const char *origin = sent_header(x, "origin");
    /* A preflight has been answered, or it is the service's to answer. */
    if (is_preflight(x) || (!origin && !cors->allow_origin_absent))
        return;
    let_in(x, cors, origin);
    if (cors->exposed_text)
        exchange_set_header(x, "access-control-expose-headers", cors->exposed_text);
}

const struct plugin cors_plugin = {
    .name = "cors",
    .no_consumer = true,
    .config_size = sizeof(struct cors),
    .options = options,
    .defaults = defaults,
    .prepare = prepare,
    .access = access_preflight,
    .header = head_of_answer,
};
