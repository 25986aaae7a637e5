#include "key/key_ring.h"

#include "base/clock.h"
#include "key/signing_key_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_MS = 10000 };

struct snapshot {
    struct jwt_keys *keys;
    struct jwt_key signers[SIGNING_KEYS_MAX]; /* oldest first; their EVP_PKEYs are the set's */
    size_t count;
    char *jwks;
    char *stamp;        /* of what it was made from */
    struct arena arena; /* kids, jwks, stamp */
    size_t refs;        /* under the ring's lock */
};

struct key_ring {
    const struct signing_keys *source;
    struct feed *feed;
    pthread_mutex_t lock;
    struct snapshot *now;
    int64_t looked_ms; /* when an unknown kid last made us look */
};

static struct snapshot *take(struct key_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    struct snapshot *snapshot = ring->now;
    snapshot->refs++;
    pthread_mutex_unlock(&ring->lock);
    return snapshot;
}

static void destroy(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        EVP_MD_CTX_free(snapshot->signers[i].signer);
    if (snapshot->keys)
        jwt_keys_unref(snapshot->keys);
    arena_free(&snapshot->arena);
    free(snapshot);
}

static void release(struct key_ring *ring, struct snapshot *snapshot)
{
    pthread_mutex_lock(&ring->lock);
    bool last = --snapshot->refs == 0;
    pthread_mutex_unlock(&ring->lock);
    if (last)
        destroy(snapshot);
}

static bool add(struct ctx *ctx, const struct signing_keys *source, struct snapshot *snapshot,
                const struct signing_key *key)
{
    EVP_PKEY *evp = signing_key_open(ctx, source, key);
    if (!evp)
        return false;
    const char *kid = arena_strdup(&snapshot->arena, key->doc.id);
    enum jwt_alg alg = (enum jwt_alg)(key->alg + 1);
    snapshot->signers[snapshot->count++] =
        (struct jwt_key){ kid, alg, evp, key->signs_from, key->until, jwt_signer(evp) };
    jwt_keys_add(snapshot->keys, kid, alg, evp);
    return true;
}

static bool fill(struct ctx *ctx, const struct signing_keys *source, const struct list *list, struct snapshot *snapshot)
{
    const struct signing_key *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (!add(ctx, source, snapshot, &items[i]))
            return false;
    char *jwks = jwks_write(ctx, snapshot->keys);
    snapshot->jwks = jwks ? arena_strdup(&snapshot->arena, jwks) : NULL;
    return jwks;
}

/* Equal for equal keys: opening them costs more than reading them, and they seldom change. */
static char *stamp_of(struct ctx *ctx, const struct list *list)
{
    struct buf stamp = BUF(&ctx->arena);
    const struct signing_key *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        buf_printf(&stamp, "%s %lld %lld ", items[i].doc.id, (long long)items[i].signs_from, (long long)items[i].until);
    return stamp.data ? stamp.data : "";
}

static struct snapshot *load(struct ctx *ctx, const struct signing_keys *source, const struct list *list)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        abort();
    snapshot->refs = 1;
    snapshot->keys = jwt_keys_create();
    snapshot->stamp = arena_strdup(&snapshot->arena, stamp_of(ctx, list));
    if (fill(ctx, source, list, snapshot))
        return snapshot;
    destroy(snapshot);
    return NULL;
}

struct key_ring *key_ring_open(struct ctx *ctx, const struct signing_keys *keys, struct feed *feed, enum jwt_alg alg,
                               const char *file)
{
    struct list list;
    if (!signing_keys_ensure(ctx, keys, alg, file) || !signing_key_list(ctx, keys, &list))
        return NULL;
    struct snapshot *first = load(ctx, keys, &list);
    if (!first)
        return NULL;
    struct key_ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        abort();
    ring->source = keys;
    ring->feed = feed;
    ring->now = first;
    pthread_mutex_init(&ring->lock, NULL);
    return ring;
}

void key_ring_close(struct key_ring *ring)
{
    if (!ring)
        return;
    release(ring, ring->now);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

static bool is_made_from(struct ctx *ctx, struct key_ring *ring, const struct list *list)
{
    struct snapshot *snapshot = take(ring);
    bool same = strcmp(snapshot->stamp, stamp_of(ctx, list)) == 0;
    release(ring, snapshot);
    return same;
}

bool key_ring_refresh(struct ctx *ctx, void *self)
{
    struct key_ring *ring = self;
    struct list list;
    if (!signing_key_list(ctx, ring->source, &list))
        return false;
    if (is_made_from(ctx, ring, &list))
        return true;
    struct snapshot *fresh = load(ctx, ring->source, &list);
    if (!fresh)
        return false;
    pthread_mutex_lock(&ring->lock);
    struct snapshot *old = ring->now;
    ring->now = fresh;
    pthread_mutex_unlock(&ring->lock);
    release(ring, old);
    return true;
}

static bool is_revoked(const struct key_ring *ring, const char *kid)
{
    return feed_revoked(ring->feed, REVOKED_SESSION, kid, 0);
}

static bool holds_revoked(struct key_ring *ring)
{
    struct snapshot *snapshot = take(ring);
    bool found = false;
    for (size_t i = 0; i < snapshot->count && !found; i++)
        found = is_revoked(ring, snapshot->signers[i].kid);
    release(ring, snapshot);
    return found;
}

/* The newest whose time has come. A revoked one's place is not taken by an older one: the store has a new one by then.
 */
static const struct jwt_key *signer(const struct key_ring *ring, const struct snapshot *snapshot, int64_t now)
{
    for (size_t i = snapshot->count; i-- > 0;) {
        const struct jwt_key *key = &snapshot->signers[i];
        if (key->signs_from <= now && (!key->until || key->until > now))
            return is_revoked(ring, key->kid) ? NULL : key;
    }
    return NULL;
}

/* NULL without an error: there is no key for it. */
static char *sign_once(struct ctx *ctx, struct key_ring *ring, const char *typ, const struct jwt_claims *claims)
{
    struct snapshot *snapshot = take(ring);
    const struct jwt_key *key = signer(ring, snapshot, clock_now_ms());
    char *token = key ? jwt_sign(ctx, key, typ, claims) : NULL;
    release(ring, snapshot);
    return token;
}

char *key_ring_sign(struct ctx *ctx, struct key_ring *ring, const char *typ, const struct jwt_claims *claims)
{
    char *token = sign_once(ctx, ring, typ, claims);
    if (token || ctx->error || !key_ring_refresh(ctx, ring))
        return token;
    token = sign_once(ctx, ring, typ, claims);
    return token || ctx->error ? token : ctx_fail(ctx, ERROR_UNAVAILABLE, "no key may sign now");
}

static bool may_look_again(struct key_ring *ring)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&ring->lock);
    bool may = !ring->looked_ms || now - ring->looked_ms >= LOOK_AGAIN_MS;
    if (may)
        ring->looked_ms = now;
    pthread_mutex_unlock(&ring->lock);
    return may;
}

static bool verify_once(struct ctx *ctx, struct key_ring *ring, const char *token, const struct jwt_expect *expect,
                        struct jwt_claims *out, const char **unknown_kid)
{
    struct snapshot *snapshot = take(ring);
    bool right = jwt_verify(ctx, snapshot->keys, token, expect, out, unknown_kid);
    release(ring, snapshot);
    if (right && is_revoked(ring, out->key))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token's key has been revoked");
    return right;
}

bool key_ring_verify(struct ctx *ctx, struct key_ring *ring, const char *token, const struct jwt_expect *expect,
                     struct jwt_claims *out)
{
    const char *unknown_kid = NULL;
    if (verify_once(ctx, ring, token, expect, out, &unknown_kid))
        return true;
    if (!unknown_kid || !may_look_again(ring) || !ctx_forgive(ctx, ERROR_UNAUTHORIZED))
        return false;
    return key_ring_refresh(ctx, ring) && verify_once(ctx, ring, token, expect, out, &unknown_kid);
}

char *key_ring_jwks(struct ctx *ctx, struct key_ring *ring)
{
    struct snapshot *snapshot = take(ring);
    char *jwks = arena_strdup(&ctx->arena, snapshot->jwks);
    release(ring, snapshot);
    return jwks;
}

char *key_ring_jwks_now(struct ctx *ctx, struct key_ring *ring)
{
    if (holds_revoked(ring) && !key_ring_refresh(ctx, ring))
        return NULL;
    return key_ring_jwks(ctx, ring);
}
