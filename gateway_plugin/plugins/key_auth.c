/*
 * Kong's key-auth: a key in a header or the query, looked up among the file's
 * consumers, then asked of auth over NATS. 401 without a good key, 403 where its
 * scopes do not reach the path, 429 past its rate, 503 where nobody can say.
 */
#include "plugins/plugins.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "crypto/apikey.h"
#include "edge.h"
#include "exchange.h"
#include "key_cache.h"

#include <ctype.h>

enum { KEY_SIZE_MAX = 256 };

struct key_auth {
    struct texts key_names;
    bool key_in_header, key_in_query, hide_credentials, run_on_preflight;
    const char *realm;
};

static bool is_header_name(const char *text)
{
    for (const char *c = text; *c; c++)
        if (isupper((unsigned char)*c))
            return false;
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

static const struct option options[] = {
    OPTION("key_names", OPTION_TEXTS, struct key_auth, key_names, .valid = is_header_name,
           .rule = "is no header name in lower case"),
    OPTION("key_in_header", OPTION_FLAG, struct key_auth, key_in_header),
    OPTION("key_in_query", OPTION_FLAG, struct key_auth, key_in_query),
    { .name = "key_in_body", .kind = OPTION_FIXED, .only = "false" },
    OPTION("hide_credentials", OPTION_FLAG, struct key_auth, hide_credentials),
    OPTION("run_on_preflight", OPTION_FLAG, struct key_auth, run_on_preflight),
    OPTION("realm", OPTION_TEXT, struct key_auth, realm),
    { .name = "anonymous", .kind = OPTION_REFUSED },
    { 0 },
};

static void defaults(void *config)
{
    static const char *names[] = { "apikey" };
    struct key_auth *auth = config;
    *auth = (struct key_auth){ .key_names = { names, 1 },
                               .key_in_header = true,
                               .key_in_query = true,
                               .run_on_preflight = true,
                               .realm = "tonearm" };
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct key_auth *auth = config;
    if (!auth->key_names.count)
        fault(faults, node->line, field_path(faults, path, "key_names"), "must name one header at least");
    if (!auth->key_in_header && !auth->key_in_query)
        fault(faults, node->line, field_path(faults, path, "key_in_header"),
              "a key must be taken from header or query");
    if (auth->hide_credentials && auth->key_in_query)
        fault(faults, node->line, field_path(faults, path, "hide_credentials"),
              "is not supported together with key_in_query: true");
}

static enum verdict refuse(struct exchange *x, const struct key_auth *auth, int status, const char *message)
{
    if (status == 401)
        exchange_header(x, "www-authenticate", exchange_printf(x, "Key realm=\"%s\"", auth->realm));
    exchange_refuse(x, status, message);
    return VERDICT_ANSWERED;
}

/* Where the key is */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static size_t decode(const char *text, size_t size, char out[KEY_SIZE_MAX + 1])
{
    size_t length = 0;
    for (size_t i = 0; i < size && length < KEY_SIZE_MAX; i++) {
        int high = text[i] == '%' && i + 2 < size ? hex_value(text[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_value(text[i + 2]);
        out[length++] = low < 0 ? text[i] : (char)(high << 4 | low);
        i += low < 0 ? 0 : 2;
    }
    out[length] = 0;
    return length;
}

/* How often `name` stands in the query; the first one's value in `out`. */
static size_t find_in_query(const struct path *path, const char *name, char out[KEY_SIZE_MAX + 1])
{
    size_t size = strlen(name), count = 0;
    const char *at = path->text + path->size, *end = path->text + path->total;
    while (at < end) {
        at++; /* ? or & */
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        if ((size_t)(stop - at) > size && memcmp(at, name, size) == 0 && at[size] == '=' && ++count == 1)
            decode(at + size + 1, (size_t)(stop - at) - size - 1, out);
        at = stop;
    }
    return count;
}

static size_t find_in_header(const struct exchange *x, const char *name, char out[KEY_SIZE_MAX + 1])
{
    size_t count;
    const h2o_iovec_t *value = exchange_request_header(x, name, &count);
    if (!value || !value->len)
        return 0;
    /* Too long a one is no key: what is left of it is as good as any. */
    size_t size = value->len > KEY_SIZE_MAX ? 0 : value->len;
    memcpy(out, value->base, size);
    out[size] = 0;
    return count;
}

static size_t find_key(struct exchange *x, const struct key_auth *auth, char out[KEY_SIZE_MAX + 1])
{
    for (size_t i = 0; i < auth->key_names.count; i++) {
        const char *name = auth->key_names.items[i];
        size_t count = auth->key_in_header ? find_in_header(x, name, out) : 0;
        if (count && auth->hide_credentials) {
            x->hide_key = true;
            x->key_header = name;
        }
        if (!count && auth->key_in_query)
            count = find_in_query(&x->path, name, out);
        if (count)
            return count;
    }
    return 0;
}

/* What it may do */

static enum verdict limit_rate(struct exchange *x, const struct key_auth *auth, struct grant *grant)
{
    int64_t remaining, reset_s;
    if (!grant->per_minute)
        return VERDICT_NEXT;
    bool good = grant_take(grant, clock_ms(), &remaining, &reset_s);
    exchange_header(x, "ratelimit-limit", exchange_printf(x, "%lld", (long long)grant->per_minute));
    exchange_header(x, "ratelimit-remaining", exchange_printf(x, "%lld", (long long)remaining));
    exchange_header(x, "ratelimit-reset", exchange_printf(x, "%lld", (long long)reset_s));
    if (good)
        return VERDICT_NEXT;
    exchange_header(x, "retry-after", exchange_printf(x, "%lld", (long long)reset_s));
    return refuse(x, auth, 429, "this API key has used up its requests of this minute");
}

static enum verdict admit(struct exchange *x, const struct key_auth *auth, struct grant *grant)
{
    if (!grant_reaches(grant, x->path.text, x->path.size))
        return refuse(x, auth, 403, "this API key does not reach this path");
    /* The name is somebody's choice: it must not end a line. */
    const char *name = is_field_value(grant->name, strlen(grant->name)) ? grant->name : "";
    x->identity = (struct identity){ exchange_printf(x, "%s", grant->id), exchange_printf(x, "%s", name), NULL };
    x->identity.credential = x->identity.id;
    return limit_rate(x, auth, grant);
}

static enum verdict decide(struct exchange *x, const struct key_auth *auth, enum key_state state, struct grant *grant)
{
    switch (state) {
    case KEY_KNOWN: {
        enum verdict verdict = admit(x, auth, grant);
        grant_unref(grant);
        return verdict;
    }
    case KEY_REFUSED:
        return refuse(x, auth, 401, "the API key is not valid");
    case KEY_FORBIDDEN:
        return refuse(x, auth, 403, "the API key may not be used");
    default:
        return refuse(x, auth, 503, "API keys cannot be checked at the moment");
    }
}

struct waiting {
    struct exchange *x;
    const struct key_auth *auth;
};

static void on_answer(void *self, enum key_state state, struct grant *grant)
{
    struct waiting *waiting = self;
    struct exchange *x = waiting->x;
    x->cancel = NULL;
    if (decide(x, waiting->auth, state, grant) == VERDICT_NEXT)
        exchange_resume(x);
}

static enum verdict ask(struct exchange *x, const struct key_auth *auth, const char *key)
{
    struct ctx ctx = { .request_id = x->request_id, .traceparent = x->traceparent };
    struct waiting *waiting = h2o_mem_alloc_pool(&x->req->pool, sizeof *waiting);
    *waiting = (struct waiting){ x, auth };
    exchange_wait(x, key_waiter_cancel, key_cache_ask(&ctx, x->loop->edge->keys, x->loop, key, on_answer, waiting));
    ctx_finish(&ctx);
    return VERDICT_WAIT;
}

static enum verdict access_key(struct exchange *x, const void *config)
{
    const struct key_auth *auth = config;
    char key[KEY_SIZE_MAX + 1];
    if (x->method == METHOD_OPTIONS && !auth->run_on_preflight)
        return VERDICT_NEXT;
    size_t count = find_key(x, auth, key);
    if (count != 1)
        return refuse(x, auth, 401, count ? "more than one API key was sent" : "an API key is required");
    const struct kong_key *known = config_key(x->config, key);
    if (known) {
        const struct kong_consumer *consumer = known->consumer;
        const char *name = consumer->username ? consumer->username : consumer->custom_id;
        x->identity = (struct identity){ consumer->custom_id ? consumer->custom_id : name, name, name };
        return VERDICT_NEXT;
    }
    /* Garbage costs no message. */
    struct key_cache *keys = x->loop->edge->keys;
    if (!keys || !apikey_plausible(key, NULL))
        return refuse(x, auth, 401, "the API key is not valid");
    struct grant *grant = NULL;
    enum key_state state = key_cache_find(keys, key, &grant);
    return state == KEY_ASK ? ask(x, auth, key) : decide(x, auth, state, grant);
}

const struct plugin key_auth_plugin = {
    .name = "key-auth",
    .config_size = sizeof(struct key_auth),
    .options = options,
    .defaults = defaults,
    .check = check,
    .access = access_key,
};
