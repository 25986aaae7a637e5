#include "lockout/lockout.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "http/forwarded.h"
#include "record/record.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    REDIS_MS = 200, /* beside a hash that takes tens: a failure that is not counted is dearer than the wait */
    FIRST_DELAY_MS = 1000,
    HERE_MOST_MS = 900 * 1000,
    EVERYWHERE_MOST_MS = 60 * 1000,
    AWAY_MS = 5000, /* a machine that is busy for a moment is no Redis that is gone */
    DOUBLINGS_MAX = 20,
};

struct limits {
    int64_t here, address, everywhere;
};
static const struct limits usual = { 5, ADDRESS_FAILURES_MAX, 100 }, alone = { 3, 20, 40 };

struct lockout {
    struct local_tallies *local;
    struct cache *cache; /* NULL: none */
    struct lockout_options options;
    _Atomic int64_t heard_ms; /* when Redis answered last, on clock_ms(); 0 = never */
    _Atomic int64_t wrong, refused;
};

struct lockout *lockout_create(struct ctx *ctx, const struct lockout_options *options)
{
    struct cache *cache = NULL;
    if (options->redis_url && *options->redis_url && !(cache = cache_open(ctx, options->redis_url)))
        return NULL;
    struct lockout *lockout = calloc(1, sizeof *lockout);
    if (!lockout)
        abort();
    lockout->local = local_tallies_create();
    lockout->cache = cache;
    if (cache)
        cache_patience(cache, options->redis_ms ? options->redis_ms : REDIS_MS);
    lockout->options = *options;
    return lockout;
}

void lockout_destroy(struct lockout *lockout)
{
    if (!lockout)
        return;
    cache_close(lockout->cache);
    local_tallies_destroy(lockout->local);
    free(lockout);
}

bool lockout_shared(struct ctx *ctx, struct lockout *lockout)
{
    return lockout->cache && cache_ping(ctx, lockout->cache);
}

int64_t lockout_wrong(void *self)
{
    struct lockout *lockout = self;
    return atomic_load(&lockout->wrong);
}

int64_t lockout_refused(void *self)
{
    struct lockout *lockout = self;
    return atomic_load(&lockout->refused);
}

/* With the last `bits` cut off. */
static void cut(struct address *address, size_t bits)
{
    for (size_t i = 16 - bits / 8; i < 16; i++)
        address->bytes[i] = 0;
}

static bool is_v6(const struct address *address)
{
    char text[ADDRESS_TEXT];
    address_write(address, text);
    return strchr(text, ':') != NULL;
}

const char *lockout_network(struct arena *arena, const char *peer)
{
    struct address address;
    char text[ADDRESS_TEXT];
    if (!peer || !address_parse(peer, strlen(peer), &address))
        return "nowhere";
    bool v6 = is_v6(&address);
    cut(&address, v6 ? 64 : 8);
    address_write(&address, text);
    return arena_printf(arena, "%s%s", text, v6 ? "/64" : "/24");
}

/* Who has a /64 has all of its addresses: it counts as one. */
static const char *address_of(struct arena *arena, const char *peer)
{
    struct address address;
    if (peer && address_parse(peer, strlen(peer), &address) && !is_v6(&address))
        return peer;
    return lockout_network(arena, peer);
}

/* No address of mail stands in Redis. */
static struct tally_keys keys_of(struct ctx *ctx, const char *email, const char *peer)
{
    struct arena *arena = &ctx->arena;
    const char *key = email_key(arena, email);
    const char *account = arena_printf(arena, "%.32s", sha256_hex(arena, key, strlen(key)));
    return (struct tally_keys){
        .here = arena_printf(arena, "lock:here:%s:%s", account, lockout_network(arena, peer)),
        .everywhere = arena_printf(arena, "lock:everywhere:%s", account),
        .address = arena_printf(arena, "lock:address:%s", address_of(arena, peer)),
    };
}

static int64_t left_of(struct failures failures, int64_t limit, int64_t most_ms)
{
    int64_t doublings = failures.count - limit;
    if (doublings < 0)
        return 0;
    int64_t delay_ms = (int64_t)FIRST_DELAY_MS << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return (delay_ms < most_ms ? delay_ms : most_ms) - failures.age_ms;
}

static void note(struct lockout *lockout, bool heard)
{
    if (heard)
        atomic_store(&lockout->heard_ms, clock_ms());
}

static bool is_away(struct lockout *lockout)
{
    int64_t heard_ms = atomic_load(&lockout->heard_ms);
    return !heard_ms || clock_ms() - heard_ms > AWAY_MS;
}

static const struct limits *read_tallies(struct ctx *ctx, struct lockout *lockout, const struct tally_keys *keys,
                                         struct tallies *out)
{
    bool heard = lockout->cache && shared_tallies_read(ctx, lockout->cache, keys, usual.address, out);
    note(lockout, heard);
    if (heard)
        return &usual;
    const struct limits *limits = is_away(lockout) ? &alone : &usual;
    local_tallies_read(lockout->local, keys, limits->address, out);
    return limits;
}

static bool is_familiar(struct ctx *ctx, const struct lockout *lockout, const char *email, const char *peer)
{
    return lockout->options.familiar &&
           lockout->options.familiar(ctx, lockout->options.self, email, lockout_network(&ctx->arena, peer));
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool lockout_admit(struct ctx *ctx, struct lockout *lockout, const char *email, const char *peer, struct attempt *out)
{
    *out = (struct attempt){ keys_of(ctx, email, peer), false };
    struct tallies tallies;
    const struct limits *limits = read_tallies(ctx, lockout, &out->keys, &tallies);
    out->clean = tallies.here.count == 0;
    int64_t wait_ms = left_of(tallies.here, limits->here, HERE_MOST_MS);
    if (tallies.address_age_ms >= 0)
        wait_ms = longer(wait_ms, ADDRESS_WINDOW_MS - tallies.address_age_ms);
    int64_t everywhere_ms = left_of(tallies.everywhere, limits->everywhere, EVERYWHERE_MOST_MS);
    if (everywhere_ms > wait_ms && !is_familiar(ctx, lockout, email, peer))
        wait_ms = everywhere_ms;
    if (ctx->error || wait_ms <= 0)
        return !ctx->error;
    atomic_fetch_add(&lockout->refused, 1);
    ctx_fail(ctx, ERROR_LIMITED, "too many wrong tries: wait before the next one");
    ctx->error->retry_after_s = (int)((wait_ms + 999) / 1000);
    return false;
}

void lockout_failed(struct ctx *ctx, struct lockout *lockout, const struct attempt *attempt)
{
    atomic_fetch_add(&lockout->wrong, 1);
    local_tallies_add(lockout->local, &attempt->keys);
    note(lockout, lockout->cache && shared_tallies_add(ctx, lockout->cache, &attempt->keys));
}

void lockout_passed(struct ctx *ctx, struct lockout *lockout, const struct attempt *attempt)
{
    local_tallies_clear(lockout->local, &attempt->keys);
    if (!attempt->clean)
        note(lockout, lockout->cache && shared_tallies_clear(ctx, lockout->cache, &attempt->keys));
}
