/*
 * Kong's key-auth: a key in a header, the query or (ours) a cookie, looked up
 * among the file's consumers, then asked of auth over NATS. 401 without a good key,
 * 403 where its scopes do not reach the path, 429 past its rate, 503 where nobody can say.
 */
#include "plugins/plugins.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/text.h"
#include "credential/credential.h"
#include "crypto/apikey.h"
#include "process/edge.h"
#include "client/head_check.h"
#include "apikey/key_cache.h"

enum { KEY_SIZE_MAX = 256 };

struct key_auth {
    struct texts key_names, header_names; /* header_names: the same ones as headers are compared */
    bool key_in_header, key_in_query, key_in_cookie, hide_credentials, run_on_preflight;
    const char *realm; /* NULL: none */
    struct anonymous anonymous;
};

static bool is_key_name(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

static const struct option options[] = {
    OPTION("key_names", OPTION_TEXTS, struct key_auth, key_names, .valid = is_key_name,
           .rule = "is no name of a header"),
    OPTION("key_in_header", OPTION_FLAG, struct key_auth, key_in_header),
    OPTION("key_in_query", OPTION_FLAG, struct key_auth, key_in_query),
    OPTION("key_in_cookie", OPTION_FLAG, struct key_auth, key_in_cookie, .ours = "a cookie of the key's name"),
    { .name = "key_in_body",
      .kind = OPTION_FIXED,
      .only = "false",
      .instead = "send it in a header, the query or a cookie" },
    OPTION("hide_credentials", OPTION_FLAG, struct key_auth, hide_credentials),
    OPTION("run_on_preflight", OPTION_FLAG, struct key_auth, run_on_preflight),
    OPTION("realm", OPTION_TEXT, struct key_auth, realm, REALM_RULE),
    OPTION("anonymous", OPTION_TEXT, struct key_auth, anonymous.name),
    { .name = "identity_realms",
      .kind = OPTION_REFUSED,
      .instead = "keys are those of this file, and of tonearm's auth service" },
    { 0 },
};

static void defaults(void *config)
{
    static const char *names[] = { "apikey" };
    *(struct key_auth *)config = (struct key_auth){
        .key_names = { names, 1 }, .key_in_header = true, .key_in_query = true, .run_on_preflight = true
    };
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct key_auth *auth = config;
    if (!auth->key_names.count)
        fault(faults, node->line, field_path(faults, path, "key_names"), "must name one at least");
    if (!auth->key_in_header && !auth->key_in_query && !auth->key_in_cookie)
        fault(faults, node->line, field_path(faults, path, "key_in_header"),
              "a key must be taken from header, query or cookie");
}

/* As Kong: `x_api_key` is looked for as the header X-API-Key. */
static const char *header_name(struct arena *arena, const char *name)
{
    char *out = text_lower(arena, name);
    for (char *c = out; *c; c++)
        *c = *c == '_' ? '-' : *c;
    return out;
}

static void link_config(struct faults *faults, const struct config *config, const struct kong_plugin *row)
{
    struct key_auth *auth = row->config;
    struct texts *names = &auth->header_names;
    anonymous_link(&auth->anonymous, faults, config, row);
    names->items = arena_array(faults->arena, const char *, auth->key_names.count + 1);
    for (; names->count < auth->key_names.count; names->count++)
        names->items[names->count] = header_name(faults->arena, auth->key_names.items[names->count]);
}

static enum verdict refuse(struct exchange *x, const struct key_auth *auth, int status, const char *message)
{
    if (status == 401 && anonymous_takes(x, &auth->anonymous))
        return VERDICT_NEXT;
    if (status == 401)
        exchange_header(x, "www-authenticate",
                        auth->realm ? exchange_printf(x, "Key realm=\"%s\"", auth->realm) : "Key");
    exchange_refuse(x, status, message);
    return VERDICT_ANSWERED;
}

/* Where the key is */

static void hide(struct exchange *x, const struct key_auth *auth, size_t i)
{
    credential_hide_header(x, auth->header_names.items[i]);
    credential_hide_query(x, auth->key_names.items[i]);
    if (auth->key_in_cookie)
        credential_hide_cookie(x, auth->key_names.items[i]);
}

/* How many there are under the first name that has one. */
static size_t find_key(struct exchange *x, const struct key_auth *auth, char out[KEY_SIZE_MAX + 1])
{
    for (size_t i = 0; i < auth->key_names.count; i++) {
        h2o_iovec_t key = { 0 };
        size_t count = auth->key_in_header ? credential_in_header(x, auth->header_names.items[i], &key) : 0;
        if (!count && auth->key_in_query)
            count = credential_in_query(x, auth->key_names.items[i], &key);
        if (!count && auth->key_in_cookie)
            count = credential_in_cookie(x, auth->key_names.items[i], &key);
        if (!count)
            continue;
        /* Too long a one is no key: what is left of it is as good as any. */
        size_t size = key.len > KEY_SIZE_MAX ? 0 : key.len;
        memcpy(out, key.base, size);
        out[size] = 0;
        if (auth->hide_credentials)
            hide(x, auth, i);
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
    bool good = grant_take(grant, loop_now(x->loop), &remaining, &reset_s);
    exchange_header(x, "ratelimit-limit", exchange_digits(x, (uint64_t)grant->per_minute).base);
    exchange_header(x, "ratelimit-remaining", exchange_digits(x, (uint64_t)remaining).base);
    exchange_header(x, "ratelimit-reset", exchange_digits(x, (uint64_t)reset_s).base);
    if (good)
        return VERDICT_NEXT;
    exchange_header(x, "retry-after", exchange_digits(x, (uint64_t)reset_s).base);
    return refuse(x, auth, 429, "this API key has used up its requests of this minute");
}

/* A consumer of the file with the key's id as its custom_id is who asks: it may have groups, and plugins of its own. */
static void identify(struct exchange *x, const struct grant *grant)
{
    const struct kong_consumer *consumer = config_consumer_known_as(x->config, grant->id);
    struct identity who = {
        .id = grant->id, .name = grant->name, .credential = grant->id, .consumer = consumer, .by_key = true
    };
    if (consumer) {
        who.id = consumer->id;
        who.name = consumer->username ? consumer->username : grant->name;
        who.custom_id = consumer->custom_id;
    }
    who.groups = grant->groups;
    exchange_identify(x, &who);
}

/* Takes the reference: what is known about the caller lives with the grant. */
static enum verdict admit(struct exchange *x, const struct key_auth *auth, struct grant *grant)
{
    grant_unref(x->grant);
    x->grant = grant;
    if (!grant_reaches(grant, x->path.text, x->path.size))
        return refuse(x, auth, 403, "this API key does not reach this path");
    identify(x, grant);
    return limit_rate(x, auth, grant);
}

static enum verdict decide(struct exchange *x, const struct key_auth *auth, enum key_state state, struct grant *grant)
{
    switch (state) {
    case KEY_KNOWN:
        return admit(x, auth, grant);
    case KEY_REFUSED:
        return refuse(x, auth, 401, "Unauthorized");
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
    if ((x->method == METHOD_OPTIONS && !auth->run_on_preflight) || anonymous_satisfied(x, &auth->anonymous))
        return VERDICT_NEXT;
    size_t count = find_key(x, auth, key);
    if (count != 1)
        return refuse(x, auth, 401, count ? "Duplicate API key found" : "No API key found in request");
    const struct kong_key *known = config_key(x->config, key);
    if (known) {
        exchange_identify_consumer(x, known->consumer, known->id);
        x->identity.by_key = true;
        return VERDICT_NEXT;
    }
    struct key_cache *keys = x->loop->edge->keys;
    struct grant *grant = NULL;
    enum key_state state = keys ? key_cache_find(keys, key, loop_now(x->loop), &grant) : KEY_REFUSED;
    if (state != KEY_ASK)
        return decide(x, auth, state, grant);
    /* Garbage costs no message. */
    if (!apikey_plausible(key, NULL))
        return decide(x, auth, KEY_REFUSED, NULL);
    return ask(x, auth, key);
}

static void secrets(const void *config, void (*each)(void *self, const struct texts *names), void *self)
{
    const struct key_auth *auth = config;
    each(self, &auth->key_names);
    each(self, &auth->header_names);
}

const struct plugin key_auth_plugin = {
    .name = "key-auth",
    .identifies = true,
    .no_consumer = true,
    .config_size = sizeof(struct key_auth),
    .options = options,
    .defaults = defaults,
    .check = check,
    .link = link_config,
    .secrets = secrets,
    .access = access_key,
};
