#include "nats/remote_keys.h"

#include "base/buf.h"
#include "base/clock.h"
#include "contract/subjects.h"
#include "nats/bus_parts.h"

enum { AGE_MS = 60000, UNKNOWN_MS = 10000, ASK_MS = 2000, CHANGING_MS = 250 };

struct remote_keys {
    struct bus *bus;
    pthread_mutex_t mutex;
    pthread_cond_t looked;
    struct jwt_keys *keys; /* NULL: none yet */
    struct jwt_issuers *issuers;
    int64_t fetched_ms, tried_ms, unknown_ms, revoked_ms;
    uint64_t fetches;
    uint64_t revocations; /* a set that was asked for before one of them may hold the key */
    bool looking;
};

struct remote_keys *remote_keys_create(struct bus *bus)
{
    struct remote_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        abort();
    keys->bus = bus;
    keys->fetched_ms = keys->tried_ms = keys->unknown_ms = keys->revoked_ms = INT64_MIN / 2;
    pthread_mutex_init(&keys->mutex, NULL);
    cond_init(&keys->looked);
    return keys;
}

void remote_keys_destroy(struct remote_keys *keys)
{
    if (!keys)
        return;
    jwt_keys_unref(keys->keys);
    jwt_issuers_unref(keys->issuers);
    free(keys);
}

/* Auth looks for a key of another issuer before it answers. */
static struct buf question(struct arena *arena, const char *issuer, const char *kid)
{
    struct buf out = BUF(arena);
    buf_char(&out, '{');
    if (issuer && kid) {
        buf_text(&out, "\"issuer\":");
        buf_json(&out, issuer);
        buf_text(&out, ",\"kid\":");
        buf_json(&out, kid);
    }
    buf_char(&out, '}');
    return out;
}

static struct jwt_keys *ask(struct ctx *ctx, struct bus *bus, const struct buf *asked, struct jwt_issuers **issuers)
{
    struct bus_message message = { .subject = SUBJECT_JWKS, .data = asked->data, .size = asked->size };
    struct answer answer;
    if (!bus_request(ctx, bus, &message, ASK_MS, &answer))
        return NULL;
    if (answer.status != 200)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "no keys to check tokens by");
    *issuers = jwt_issuers_parse(&ctx->arena, answer.data, answer.size);
    return jwks_parse(ctx, answer.data, answer.size);
}

static void take(struct remote_keys *keys, struct jwt_keys *found, struct jwt_issuers *issuers)
{
    jwt_keys_unref(keys->keys);
    jwt_issuers_unref(keys->issuers);
    keys->keys = found;
    keys->issuers = issuers;
    keys->fetched_ms = clock_ms();
    keys->fetches++;
}

/* With the lock held, which is let go while auth is asked. One asks, the others wait. */
static bool look(struct ctx *ctx, struct remote_keys *keys, const char *issuer, const char *kid)
{
    struct jwt_issuers *issuers = NULL;
    struct buf asked = question(&ctx->arena, issuer, kid);
    uint64_t fetches = keys->fetches;
    if (keys->looking) {
        int64_t until = clock_ms() + ctx_left_ms(ctx, ASK_MS);
        while (keys->looking && cond_wait_until(&keys->looked, &keys->mutex, until))
            continue;
        return keys->fetches != fetches || ctx_fail(ctx, ERROR_UNAVAILABLE, "no keys to check tokens by");
    }
    uint64_t revocations = keys->revocations;
    keys->looking = true;
    keys->tried_ms = clock_ms();
    pthread_mutex_unlock(&keys->mutex);
    struct jwt_keys *found = ask(ctx, keys->bus, &asked, &issuers);
    pthread_mutex_lock(&keys->mutex);
    keys->looking = false;
    pthread_cond_broadcast(&keys->looked);
    if (found && revocations == keys->revocations) {
        take(keys, found, issuers);
        return true;
    }
    jwt_issuers_unref(issuers);
    jwt_keys_unref(found);
    return found && ctx_fail(ctx, ERROR_UNAVAILABLE, "the keys are being replaced");
}

struct jwt_keys *remote_keys_get(struct ctx *ctx, struct remote_keys *keys)
{
    struct error *before = ctx->error;
    pthread_mutex_lock(&keys->mutex);
    int64_t now = clock_ms();
    bool old = now - keys->fetched_ms > AGE_MS;
    if (!keys->keys || (old && !keys->looking && now - keys->tried_ms > AGE_MS / 10))
        look(ctx, keys, NULL, NULL);
    struct jwt_keys *out = keys->keys ? jwt_keys_ref(keys->keys) : NULL;
    pthread_mutex_unlock(&keys->mutex);
    if (out)
        ctx->error = before; /* the keys of a minute ago will do */
    return out ? out : ctx_fail(ctx, ERROR_UNAVAILABLE, "no keys to check tokens by");
}

struct jwt_issuers *remote_keys_issuers(struct remote_keys *keys)
{
    pthread_mutex_lock(&keys->mutex);
    struct jwt_issuers *out = keys->issuers ? jwt_issuers_ref(keys->issuers) : NULL;
    pthread_mutex_unlock(&keys->mutex);
    return out;
}

/* When a key was revoked, another signs at once, and a replica of auth that has not heard of it tells the old ones. */
static int64_t pause_ms(const struct remote_keys *keys, const char *issuer)
{
    const struct jwt_issuer *by = jwt_issuers_find(keys->issuers, issuer);
    return clock_ms() - keys->revoked_ms < UNKNOWN_MS || (by && by->away) ? CHANGING_MS : UNKNOWN_MS;
}

static bool is_known(const struct remote_keys *keys, const char *issuer, const char *kid)
{
    const struct jwt_issuer *by = jwt_issuers_find(keys->issuers, issuer);
    return by && jwt_keys_has(by->keys, kid);
}

bool remote_keys_look_again(struct ctx *ctx, struct remote_keys *keys, const char *issuer, const char *kid)
{
    pthread_mutex_lock(&keys->mutex);
    uint64_t fetches = keys->fetches;
    if (issuer && keys->looking) /* for something else: auth was not asked to look for this one */
        look(ctx, keys, NULL, NULL);
    bool may = !is_known(keys, issuer, kid) &&
               (keys->looking || clock_ms() - keys->unknown_ms > pause_ms(keys, issuer));
    if (may && look(ctx, keys, issuer, kid))
        keys->unknown_ms = clock_ms();
    bool other = keys->fetches != fetches;
    pthread_mutex_unlock(&keys->mutex);
    return other;
}

bool remote_keys_revoke(struct remote_keys *keys, const char *kid)
{
    pthread_mutex_lock(&keys->mutex);
    bool ours = keys->keys && jwt_keys_has(keys->keys, kid);
    if (ours || keys->looking)
        keys->revocations++;
    if (ours) {
        keys->revoked_ms = clock_ms();
        jwt_keys_unref(keys->keys);
        keys->keys = NULL;
    }
    pthread_mutex_unlock(&keys->mutex);
    return ours;
}
