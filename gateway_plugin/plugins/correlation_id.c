/*
 * Kong's correlation-id: one more header with an id of the request. X-Request-Id
 * is on every request and answer anyhow; this is for services that look for another.
 */
#include "plugins/plugins.h"

#include "exchange.h"

#include <ctype.h>

struct correlation_id {
    const char *header_name;
    bool echo_downstream;
};

static bool is_header_name(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

static const struct option options[] = {
    OPTION("header_name", OPTION_TEXT, struct correlation_id, header_name, .valid = is_header_name,
           .rule = "is no header name"),
    { .name = "generator", .kind = OPTION_FIXED, .only = "uuid" },
    OPTION("echo_downstream", OPTION_FLAG, struct correlation_id, echo_downstream),
    { 0 },
};

static void defaults(void *config)
{
    *(struct correlation_id *)config = (struct correlation_id){ .header_name = "Kong-Request-ID" };
}

static const char *lower(struct exchange *x, const char *text)
{
    char *out = exchange_printf(x, "%s", text);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return out;
}

static bool built_in(const struct correlation_id *id)
{
    return strcasecmp(id->header_name, "x-request-id") == 0;
}

static const char *make_uuid(struct exchange *x)
{
    uint64_t a = loop_random(x->loop), b = loop_random(x->loop);
    return exchange_printf(x, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
                           (unsigned)(a & 0xfff), (unsigned)(b >> 48 & 0x3fff) | 0x8000,
                           (unsigned long long)(b & 0xffffffffffff));
}

static enum verdict access_id(struct exchange *x, const void *config)
{
    const struct correlation_id *id = config;
    size_t count;
    if (built_in(id))
        return VERDICT_NEXT;
    const char *name = lower(x, id->header_name), *value;
    const h2o_iovec_t *sent = exchange_request_header(x, name, &count);
    if (sent) {
        value = exchange_printf(x, "%.*s", (int)sent->len, sent->base);
    } else {
        value = make_uuid(x);
        h2o_add_header_by_str(&x->req->pool, &x->req->headers, name, strlen(name), 0, NULL, value, strlen(value));
    }
    if (id->echo_downstream)
        exchange_header(x, name, value);
    return VERDICT_NEXT;
}

const struct plugin correlation_id_plugin = {
    .name = "correlation-id",
    .config_size = sizeof(struct correlation_id),
    .options = options,
    .defaults = defaults,
    .access = access_id,
};
