#include "nats/remote_keys.h"

#include "base/clock.h"
#include "nats/bus_parts.h"

enum { AGE_MS = 60000, UNKNOWN_MS = 10000, ASK_MS = 2000 };

struct remote_keys {
    struct bus *bus;
    pthread_mutex_t mutex;
    pthread_cond_t looked;
    struct jwt_keys *keys; /* NULL: none yet */
    int64_t fetched_ms, tried_ms, unknown_ms;
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
    keys->fetched_ms = keys->tried_ms = keys->unknown_ms = INT64_MIN / 2;
    pthread_mutex_init(&keys->mutex, NULL);
    cond_init(&keys->looked);
    return keys;
}

void remote_keys_destroy(struct remote_keys *keys)
{
    if (!keys)
        return;
    if (keys->keys)
        jwt_keys_unref(keys->keys);
    free(keys);
}

static struct jwt_keys *ask(struct ctx *ctx, struct bus *bus)
{
    struct bus_message message = { .subject = "auth.jwks", .data = "{}", .size = 2 };
    struct answer answer;
    if (!bus_request(ctx, bus, &message, ASK_MS, &answer))
        return NULL;
    if (answer.status != 200)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "no keys to check tokens by");
    return jwks_parse(ctx, answer.data, answer.size);
}

/* With the lock held, which is let go while auth is asked. One asks, the others wait. */
static bool look(struct ctx *ctx, struct remote_keys *keys)
{
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
    struct jwt_keys *found = ask(ctx, keys->bus);
    pthread_mutex_lock(&keys->mutex);
    keys->looking = false;
    pthread_cond_broadcast(&keys->looked);
    if (found && revocations != keys->revocations) {
        jwt_keys_unref(found);
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the keys are being replaced");
    }
    if (!found)
        return false;
    if (keys->keys)
        jwt_keys_unref(keys->keys);
    keys->keys = found;
    keys->fetched_ms = clock_ms();
    keys->fetches++;
    return true;
}

struct jwt_keys *remote_keys_get(struct ctx *ctx, struct remote_keys *keys)
{
    struct error *before = ctx->error;
    pthread_mutex_lock(&keys->mutex);
    int64_t now = clock_ms();
    bool old = now - keys->fetched_ms > AGE_MS;
    if (!keys->keys || (old && !keys->looking && now - keys->tried_ms > AGE_MS / 10))
        look(ctx, keys);
    struct jwt_keys *out = keys->keys ? jwt_keys_ref(keys->keys) : NULL;
    pthread_mutex_unlock(&keys->mutex);
    if (out)
        ctx->error = before; /* the keys of a minute ago will do */
    return out ? out : ctx_fail(ctx, ERROR_UNAVAILABLE, "no keys to check tokens by");
}

bool remote_keys_look_again(struct ctx *ctx, struct remote_keys *keys)
{
    pthread_mutex_lock(&keys->mutex);
    uint64_t fetches = keys->fetches;
    bool may = keys->looking || clock_ms() - keys->unknown_ms > UNKNOWN_MS;
    if (may && look(ctx, keys))
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
        jwt_keys_unref(keys->keys);
        keys->keys = NULL;
    }
    pthread_mutex_unlock(&keys->mutex);
    return ours;
}
