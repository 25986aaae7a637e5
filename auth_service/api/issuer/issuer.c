#include "issuer/issuer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "issuer/fetch.h"
#include "issuer/issuer_document.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    DOCUMENT_AGE_MS = 3600000,
    DOCUMENT_AWAY_MS = 86400000,
    KEYS_AGE_MS = 300000,
    KEYS_AWAY_MS = 3600000,
    UNKNOWN_MS = 10000,
    PAUSE_MS = 2000,
    WAITERS_MAX = 1, /* a slow issuer holds two workers up, and no more */
};

struct issuer {
    char *url, *host, *ca_file;
    int64_t skew_s, limit_ms, unknown_ms, keys_age_ms;
    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t looked;
    struct arena arena; /* of document */
    struct issuer_document document;
    struct jwt_keys *keys; /* NULL: none yet */
    int64_t document_ms, keys_ms, failed_ms, unknown_at_ms;
    uint64_t looks; /* that found keys */
    bool looking;
    unsigned waiting;
};

static void wait_on_monotonic(pthread_cond_t *condition)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attr);
    pthread_condattr_destroy(&attr);
}

static char *copy(const char *text)
{
    char *out = strdup(text ? text : "");
    if (!out)
        abort();
    return out;
}

/* "https://idp.example:8443/realms/a": "idp.example:8443" */
static char *host_of(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    char *out = copy(host);
    out[strcspn(out, "/?")] = 0;
    return out;
}

struct issuer *issuer_create(struct ctx *ctx, const struct issuer_settings *settings)
{
    if (!fetch_may(settings->url))
        return ctx_fail(ctx, ERROR_INVALID, "an issuer's address is https, or http to this machine");
    struct issuer *issuer = calloc(1, sizeof *issuer);
    if (!issuer)
        abort();
    issuer->url = copy(settings->url);
    issuer->host = host_of(settings->url);
    issuer->ca_file = copy(settings->ca_file);
    issuer->skew_s = settings->skew_s;
    issuer->limit_ms = settings->limit_ms;
    issuer->unknown_ms = settings->unknown_ms ? settings->unknown_ms : UNKNOWN_MS;
    issuer->keys_age_ms = settings->keys_age_ms ? settings->keys_age_ms : KEYS_AGE_MS;
    issuer->document_ms = issuer->keys_ms = issuer->failed_ms = issuer->unknown_at_ms = INT64_MIN / 2;
    pthread_mutex_init(&issuer->mutex, NULL);
    wait_on_monotonic(&issuer->looked);
    return issuer;
}

void issuer_destroy(struct issuer *issuer)
{
    if (!issuer)
        return;
    jwt_keys_unref(issuer->keys);
    arena_free(&issuer->arena);
    pthread_cond_destroy(&issuer->looked);
    pthread_mutex_destroy(&issuer->mutex);
    free(issuer->url);
    free(issuer->host);
    free(issuer->ca_file);
    free(issuer);
}

const char *issuer_url(const struct issuer *issuer)
{
    return issuer->url;
}

const char *issuer_host(const struct issuer *issuer)
{
    return issuer->host;
}

/* Asking: without the lock, by one thread at a time. */

static bool ask(struct ctx *ctx, const struct issuer *issuer, const char *url, struct fetched *out)
{
    struct fetch what = {
        .whom = arena_printf(&ctx->arena, "the issuer %s", issuer->host),
        .url = url,
        .ca_file = issuer->ca_file,
        .limit_ms = issuer->limit_ms ? issuer->limit_ms : ctx->patience_ms,
    };
    if (!fetch(ctx, &what, out))
        return false;
    return out->status == 200 || ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: status %d", url, out->status);
}

static bool ask_document(struct ctx *ctx, const struct issuer *issuer, struct arena *arena, struct issuer_document *out)
{
    size_t size = strlen(issuer->url);
    while (size && issuer->url[size - 1] == '/') /* Discovery, 4.1 */
        size--;
    const char *url = arena_printf(&ctx->arena, "%.*s/.well-known/openid-configuration", (int)size, issuer->url);
    struct fetched answer;
    return ask(ctx, issuer, url, &answer) &&
           issuer_document_read(ctx, arena, issuer->url, answer.body, answer.size, out);
}

static struct jwt_keys *ask_keys(struct ctx *ctx, const struct issuer *issuer, const char *url)
{
    struct fetched answer;
    if (!ask(ctx, issuer, url, &answer))
        return NULL;
    struct jwt_keys *keys = jwks_parse(ctx, answer.body, answer.size);
    return keys ? keys : ctx_fail(ctx, ERROR_UNAVAILABLE, "%s is no set of keys", url);
}

/* With the lock held. */

static bool is_young(int64_t then_ms, int64_t age_ms)
{
    return clock_ms() - then_ms < age_ms;
}

static bool away(struct ctx *ctx, const struct issuer *issuer)
{
    ctx_fail(ctx, ERROR_UNAVAILABLE, "the issuer %s is away", issuer->host);
    return false;
}

static void take_document(struct issuer *issuer, struct arena *arena, const struct issuer_document *document)
{
    arena_free(&issuer->arena);
    issuer->arena = *arena;
    issuer->document = *document;
    issuer->document_ms = clock_ms();
}

static void take_keys(struct issuer *issuer, struct jwt_keys *keys)
{
    jwt_keys_unref(issuer->keys);
    issuer->keys = keys;
    issuer->keys_ms = clock_ms();
    issuer->looks++;
}

/* The lock is let go while the issuer is asked. */
static bool look_now(struct ctx *ctx, struct issuer *issuer)
{
    bool old = !is_young(issuer->document_ms, DOCUMENT_AGE_MS);
    struct arena arena = { 0 };
    struct issuer_document document = { 0 };
    const char *jwks_uri = arena_strdup(&ctx->arena, issuer->document.jwks_uri);
    issuer->looking = true;
    pthread_mutex_unlock(&issuer->mutex);
    bool told = !old || ask_document(ctx, issuer, &arena, &document);
    struct jwt_keys *keys = told ? ask_keys(ctx, issuer, old ? document.jwks_uri : jwks_uri) : NULL;
    if (!keys)
        log_failure(LOG_WARN, ctx, "an issuer does not answer as it should");
    pthread_mutex_lock(&issuer->mutex);
    issuer->looking = false;
    pthread_cond_broadcast(&issuer->looked);
    if (old && told)
        take_document(issuer, &arena, &document);
    else
        arena_free(&arena);
    if (!keys) {
        issuer->failed_ms = clock_ms();
        return away(ctx, issuer);
    }
    take_keys(issuer, keys);
    return true;
}

static bool wait_for_look(struct ctx *ctx, struct issuer *issuer)
{
    uint64_t looks = issuer->looks;
    int64_t until_ms = clock_ms() + ctx_left_ms(ctx, ctx->patience_ms ? ctx->patience_ms : FETCH_MS);
    struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
    issuer->waiting++;
    while (issuer->looking && pthread_cond_timedwait(&issuer->looked, &issuer->mutex, &until) == 0)
        continue;
    issuer->waiting--;
    return issuer->looks != looks || away(ctx, issuer);
}

static bool look(struct ctx *ctx, struct issuer *issuer)
{
    if (issuer->looking)
        return issuer->waiting < WAITERS_MAX ? wait_for_look(ctx, issuer) : away(ctx, issuer);
    return is_young(issuer->failed_ms, PAUSE_MS) ? away(ctx, issuer) : look_now(ctx, issuer);
}

/* What there is will do, where it is not too old: then a failure to get newer is none. */
static bool look_if_old(struct ctx *ctx, struct issuer *issuer)
{
    bool old = !is_young(issuer->document_ms, DOCUMENT_AGE_MS) || !is_young(issuer->keys_ms, issuer->keys_age_ms);
    bool will_do = issuer->keys && is_young(issuer->document_ms, DOCUMENT_AWAY_MS) &&
                   is_young(issuer->keys_ms, KEYS_AWAY_MS);
    struct error *before = ctx->error;
    if (!old || (will_do && issuer->looking) || look(ctx, issuer))
        return true;
    if (!will_do)
        return false;
    ctx->error = before;
    return true;
}

static bool look_for(struct ctx *ctx, struct issuer *issuer, const char *kid)
{
    if (jwt_keys_has(issuer->keys, kid))
        return true;
    if (!issuer->looking && is_young(issuer->unknown_at_ms, issuer->unknown_ms))
        return true; /* it is as unknown as it was */
    uint64_t looks = issuer->looks;
    if (!look(ctx, issuer))
        return false;
    if (issuer->looks != looks)
        issuer->unknown_at_ms = clock_ms();
    return true;
}

struct jwt_keys *issuer_keys(struct ctx *ctx, struct issuer *issuer, const char *kid)
{
    pthread_mutex_lock(&issuer->mutex);
    bool good = look_if_old(ctx, issuer) && (!kid || look_for(ctx, issuer, kid));
    struct jwt_keys *keys = good ? jwt_keys_ref(issuer->keys) : NULL;
    pthread_mutex_unlock(&issuer->mutex);
    return keys;
}

struct jwt_keys *issuer_known_keys(struct issuer *issuer)
{
    pthread_mutex_lock(&issuer->mutex);
    bool known = issuer->keys && is_young(issuer->keys_ms, KEYS_AWAY_MS);
    struct jwt_keys *keys = known ? jwt_keys_ref(issuer->keys) : NULL;
    pthread_mutex_unlock(&issuer->mutex);
    return keys;
}

bool issuer_discover(struct ctx *ctx, struct issuer *issuer, struct issuer_document *out)
{
    pthread_mutex_lock(&issuer->mutex);
    bool good = look_if_old(ctx, issuer);
    if (good)
        *out = issuer_document_copy(&ctx->arena, &issuer->document);
    pthread_mutex_unlock(&issuer->mutex);
    return good;
}

static bool verify_once(struct ctx *ctx, struct issuer *issuer, const char *token, const struct issuer_expect *expect,
                        json_t **claims, const char **kid)
{
    struct jwt_keys *keys = issuer_keys(ctx, issuer, *kid);
    if (!keys)
        return false;
    struct jwt_foreign_expect foreign = { .typ = expect->typ,
                                          .issuer = issuer->url,
                                          .audience = expect->audience,
                                          .nonce = expect->nonce,
                                          .now = expect->now_s ? expect->now_s : clock_now_ms() / 1000,
                                          .leeway = issuer->skew_s };
    bool good = jwt_verify_foreign(ctx, keys, token, &foreign, claims, kid);
    jwt_keys_unref(keys);
    return good;
}

bool issuer_verify(struct ctx *ctx, struct issuer *issuer, const char *token, const struct issuer_expect *expect,
                   json_t **claims)
{
    struct error *before = ctx->error;
    const char *unknown = NULL;
    *claims = NULL;
    if (verify_once(ctx, issuer, token, expect, claims, &unknown))
        return true;
    if (!unknown)
        return false;
    ctx->error = before; /* the key is known once the issuer has told it */
    return verify_once(ctx, issuer, token, expect, claims, &unknown);
}
