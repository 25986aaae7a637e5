#include "credential/auth_keys.h"

#include "base/clock.h"
#include "contract/subjects.h"
#include "must.h"

enum { AGE_MS = 60000, RETRY_MS = 5000, UNKNOWN_MS = 10000, CHANGING_MS = 250, ASK_MS = 1500, WAITERS_MAX = 4096 };

struct keys_waiter {
    struct message message; /* first */
    struct keys_waiter *next;
    struct loop *loop;
    keys_done_fn *done; /* the loop's: NULL when cancelled */
    void *self;
    bool answered;
};

struct auth_keys {
    struct bus *bus;
    pthread_mutex_t lock; /* of all below */
    struct jwt_keys *keys;
    int64_t fetched_ms, asked_ms, revoked_ms;
    uint64_t revocations, asked_under; /* a set that was asked for before a revocation may hold the key */
    bool asking;
    struct keys_waiter *waiters;
    size_t waiting;
};

struct auth_keys *auth_keys_create(struct bus *bus)
{
    struct auth_keys *keys = must(calloc(1, sizeof *keys));
    keys->bus = bus;
    keys->fetched_ms = keys->asked_ms = keys->revoked_ms = INT64_MIN / 2;
    pthread_mutex_init(&keys->lock, NULL);
    return keys;
}

void auth_keys_destroy(struct auth_keys *keys)
{
    if (!keys)
        return;
    jwt_keys_unref(keys->keys);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}

static void deliver(struct loop *loop, struct message *message)
{
    struct keys_waiter *waiter = (struct keys_waiter *)message;
    (void)loop;
    if (waiter->done)
        waiter->done(waiter->self, waiter->answered);
    free(waiter);
}

void keys_waiter_cancel(void *self)
{
    struct keys_waiter *waiter = self;
    waiter->done = NULL;
}

static struct jwt_keys *parse(int status, const char *data, size_t size)
{
    struct ctx ctx = { 0 };
    struct jwt_keys *found = status == 200 ? jwks_parse(&ctx, data, size) : NULL;
    ctx_finish(&ctx);
    return found;
}

static void ask(struct auth_keys *keys);

/* Takes the set, or goes on with the one that there is; those who wait are the caller's. false: a key was revoked
 * meanwhile, which this set may hold. */
static bool settle(struct auth_keys *keys, struct jwt_keys *found, struct keys_waiter **waiters)
{
    struct jwt_keys *old = found;
    pthread_mutex_lock(&keys->lock);
    bool stale = found && keys->asked_under != keys->revocations;
    keys->asked_under = keys->revocations;
    if (found && !stale) {
        old = keys->keys;
        keys->keys = found;
        keys->fetched_ms = clock_ms();
    }
    if (!stale) {
        *waiters = keys->waiters;
        keys->waiters = NULL;
        keys->waiting = 0;
        keys->asking = false;
    }
    pthread_mutex_unlock(&keys->lock);
    jwt_keys_unref(old);
    return !stale;
}

static void on_reply(void *self, int status, const char *data, size_t size)
{
    struct auth_keys *keys = self;
    struct jwt_keys *found = parse(status, data, size);
    struct keys_waiter *waiter, *next;
    if (!settle(keys, found, &waiter)) {
        ask(keys);
        return;
    }
    for (; waiter; waiter = next) {
        next = waiter->next;
        waiter->answered = found;
        loop_send(waiter->loop, &waiter->message);
    }
}

static void ask(struct auth_keys *keys)
{
    struct ctx ctx = { 0 };
    if (!bus_ask(&ctx, keys->bus, SUBJECT_JWKS, "{}", 2, ASK_MS, on_reply, keys))
        on_reply(keys, 503, "", 0);
    ctx_finish(&ctx);
}

/* With the lock held. false: somebody asks already. */
static bool begin(struct auth_keys *keys)
{
    if (keys->asking)
        return false;
    keys->asking = true;
    keys->asked_ms = clock_ms();
    keys->asked_under = keys->revocations;
    return true;
}

struct jwt_keys *auth_keys_get(struct auth_keys *keys)
{
    pthread_mutex_lock(&keys->lock);
    int64_t now = clock_ms();
    bool old = keys->keys && now - keys->fetched_ms > AGE_MS && now - keys->asked_ms > RETRY_MS;
    bool asks = old && begin(keys);
    struct jwt_keys *out = keys->keys ? jwt_keys_ref(keys->keys) : NULL;
    pthread_mutex_unlock(&keys->lock);
    if (asks)
        ask(keys);
    return out;
}

/* When a key was revoked, another signs at once, and a replica of auth that has not heard of it tells the old ones. */
static int64_t pause_ms(const struct auth_keys *keys)
{
    return clock_ms() - keys->revoked_ms < UNKNOWN_MS ? CHANGING_MS : UNKNOWN_MS;
}

struct keys_waiter *auth_keys_wait(struct auth_keys *keys, struct loop *loop, bool unknown, keys_done_fn *done,
                                   void *self)
{
    struct keys_waiter *waiter = NULL;
    bool asks = false;
    pthread_mutex_lock(&keys->lock);
    bool may = keys->asking || !unknown || clock_ms() - keys->fetched_ms > pause_ms(keys);
    if (may && keys->waiting < WAITERS_MAX) {
        waiter = must(calloc(1, sizeof *waiter));
        *waiter = (struct keys_waiter){ { .run = deliver }, keys->waiters, loop, done, self, false };
        keys->waiters = waiter;
        keys->waiting++;
        asks = begin(keys);
    }
    pthread_mutex_unlock(&keys->lock);
    if (asks)
        ask(keys);
    return waiter;
}

void auth_keys_revoke(struct auth_keys *keys, const char *id)
{
    struct jwt_keys *old = NULL;
    pthread_mutex_lock(&keys->lock);
    bool ours = keys->keys && jwt_keys_has(keys->keys, id);
    if (ours || keys->asking)
        keys->revocations++;
    if (ours) {
        keys->revoked_ms = clock_ms();
        old = keys->keys;
        keys->keys = NULL;
    }
    pthread_mutex_unlock(&keys->lock);
    jwt_keys_unref(old);
}
