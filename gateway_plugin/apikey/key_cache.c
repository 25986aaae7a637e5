#include "apikey/key_cache.h"

#include "base/clock.h"
#include "base/lru.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "apikey/key_answers.h"
#include "must.h"
#include "nats/feed.h"

#include <string.h>

enum {
    KNOWN_MAX = 10000,
    REFUSED_MAX = 10000,
    ASKS_MAX = 4096,
    BUCKETS = 1024,
    REFUSED_MS = 2000,
    KNOWN_MS = 60000,
    DOUBTED_MS = 1000, /* while the feed has a gap */
    SERVED_ON_MS = 300000,
    RETRY_MS = 1000, /* after auth was found to be away */
    ASK_MS = 1500,
    OVERDUE_MS = 400, /* for a key that may be served on: what asks after it has to be told within 2 s as well */
};

struct known {
    struct grant *grant;
    int64_t checked_ms, retry_ms;
    unsigned epoch;
};

struct key_waiter {
    struct message message; /* first */
    struct key_waiter *next;
    key_answer_fn *answer; /* the loop's: NULL when cancelled */
    void *self;
    enum key_state state;
    struct grant *grant;
    struct loop *loop;
};

struct ask {
    struct key_cache *keys;
    struct ask *next;
    struct key_waiter *waiters;
    uint64_t generation; /* of the feed, when it was sent */
    int64_t limit_ms;
    char key[];
};

struct key_cache {
    struct bus *bus;
    struct feed *feed;
    pthread_mutex_t lock; /* of all below */
    struct lru *known, *refused;
    struct rates *rates;
    struct key_answers *answers;
    struct ask *asks[BUCKETS];
    size_t ask_count;
    unsigned epoch;
    struct key_counts *counts; /* shared with the other processes, raised with the lock held */
};

static void known_release(void *value)
{
    struct known *known = value;
    grant_unref(known->grant);
    free(known);
}

struct key_cache *key_cache_create(struct bus *bus, struct rates *rates, struct key_answers *answers,
                                   struct key_counts *counts)
{
    struct key_cache *keys = must(calloc(1, sizeof *keys));
    keys->bus = bus;
    pthread_mutex_init(&keys->lock, NULL);
    keys->known = lru_create(KNOWN_MAX, known_release);
    keys->refused = lru_create(REFUSED_MAX, NULL);
    keys->rates = rates;
    keys->answers = answers;
    keys->counts = counts;
    return keys;
}

void key_cache_follow(struct key_cache *keys, struct feed *feed)
{
    keys->feed = feed;
}

void key_cache_destroy(struct key_cache *keys)
{
    if (!keys)
        return;
    lru_destroy(keys->known);
    lru_destroy(keys->refused);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}

void key_cache_doubt(struct key_cache *keys)
{
    pthread_mutex_lock(&keys->lock);
    keys->epoch++;
    pthread_mutex_unlock(&keys->lock);
}

static bool ended(const struct key_cache *keys, const struct grant *grant)
{
    return feed_revoked(keys->feed, REVOKED_APIKEY, grant->id, 0) ||
           (grant->expires_ms && grant->expires_ms <= clock_now_ms());
}

static bool fresh(const struct key_cache *keys, const struct known *known, int64_t now_ms)
{
    int64_t age = now_ms - known->checked_ms;
    bool whole = feed_whole(keys->feed) && known->epoch == keys->epoch;
    return age < (whole ? KNOWN_MS : DOUBTED_MS);
}

/* A refusal in the table: the state plus one, because NULL is "none". */
static void *refusal_of(enum key_state state)
{
    return (void *)(uintptr_t)(state + 1);
}

static enum key_state find(struct key_cache *keys, const char *key, int64_t now_ms, struct grant **grant)
{
    struct known *known = lru_get(keys->known, key);
    if (!known) {
        void *refusal = lru_get(keys->refused, key);
        return refusal ? (enum key_state)((uintptr_t)refusal - 1) : KEY_ASK;
    }
    if (ended(keys, known->grant)) {
        key_answers_drop(keys->answers, key);
        lru_drop(keys->known, key);
        return KEY_REFUSED;
    }
    bool is_fresh = fresh(keys, known, now_ms);
    if (!is_fresh && (now_ms >= known->retry_ms || now_ms - known->checked_ms >= SERVED_ON_MS))
        return KEY_ASK;
    if (!is_fresh)
        keys->counts->stale++;
    *grant = grant_ref(known->grant);
    return KEY_KNOWN;
}

enum key_state key_cache_find(struct key_cache *keys, const char *key, int64_t now_ms, struct grant **grant)
{
    pthread_mutex_lock(&keys->lock);
    enum key_state state = find(keys, key, now_ms, grant);
    pthread_mutex_unlock(&keys->lock);
    return state;
}

/* Asking */

static struct ask **ask_slot(struct key_cache *keys, const char *key)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
    struct ask **slot = &keys->asks[hash % BUCKETS];
    while (*slot && strcmp((*slot)->key, key) != 0)
        slot = &(*slot)->next;
    return slot;
}

static void deliver(struct loop *loop, struct message *message)
{
    struct key_waiter *waiter = (struct key_waiter *)message;
    (void)loop;
    if (waiter->answer)
        waiter->answer(waiter->self, waiter->state, waiter->grant);
    else
        grant_unref(waiter->grant);
    free(waiter);
}

void key_waiter_cancel(void *self)
{
    struct key_waiter *waiter = self;
    waiter->answer = NULL;
}

static void remember_known(struct key_cache *keys, const char *key, struct grant *grant, int64_t checked_ms,
                           unsigned epoch)
{
    struct known *known = must(calloc(1, sizeof *known));
    *known = (struct known){ .grant = grant_ref(grant), .checked_ms = checked_ms, .epoch = epoch };
    lru_put(keys->known, key, known, 0);
}

static enum key_state take_refusal(struct key_cache *keys, const char *key, enum key_state state)
{
    lru_drop(keys->known, key);
    key_answers_drop(keys->answers, key);
    lru_put(keys->refused, key, refusal_of(state), clock_ms() + REFUSED_MS);
    keys->counts->refused++;
    return state;
}

static bool may_be_served_on(const struct key_cache *keys, const struct known *known, int64_t now_ms)
{
    return known && now_ms - known->checked_ms < SERVED_ON_MS && !ended(keys, known->grant);
}

/* What another process was told since we were. It counts as doubted, because that one's feed is not ours: it is served
 * on where auth is away. */
static void learn(struct key_cache *keys, const char *key)
{
    const struct known *known = lru_get(keys->known, key);
    struct key_answer answer;
    if (!key_answers_get(keys->answers, key, known ? known->checked_ms : 0, &answer))
        return;
    struct grant *grant = grant_read(answer.data, answer.size);
    if (!grant)
        return;
    grant_join(grant, keys->rates);
    remember_known(keys, key, grant, answer.checked_ms, keys->epoch - 1);
    grant_unref(grant);
}

/* Auth did not answer: what it said before holds for a while. */
static enum key_state take_outage(struct key_cache *keys, const char *key, struct grant **grant)
{
    int64_t now_ms = clock_ms();
    struct known *known = lru_get(keys->known, key);
    keys->counts->away++;
    if (!may_be_served_on(keys, known, now_ms))
        return KEY_AWAY;
    known->retry_ms = now_ms + RETRY_MS;
    *grant = grant_ref(known->grant);
    return KEY_KNOWN;
}

static enum key_state take_answer(struct key_cache *keys, const char *key, int status, struct grant *fresh_grant,
                                  struct grant **grant)
{
    if (fresh_grant) {
        grant_join(fresh_grant, keys->rates);
        /* libnats may deliver a revocation before the older answer. */
        if (ended(keys, fresh_grant))
            return take_refusal(keys, key, KEY_REFUSED);
        remember_known(keys, key, fresh_grant, clock_ms(), keys->epoch);
        lru_drop(keys->refused, key);
        keys->counts->answered++;
        *grant = grant_ref(fresh_grant);
        return KEY_KNOWN;
    }
    if (status == 403)
        return take_refusal(keys, key, KEY_FORBIDDEN);
    if (status == 400 || status == 401 || status == 404)
        return take_refusal(keys, key, KEY_REFUSED);
    return take_outage(keys, key, grant);
}

static void on_reply(void *self, int status, const char *data, size_t size);

static bool send_ask(struct ctx *ctx, struct ask *ask)
{
    struct key_cache *keys = ask->keys;
    struct buf body = BUF(&ctx->arena);
    ask->generation = feed_generation(keys->feed);
    record_json(&body, validate_apikey_fields, &(struct validate_apikey){ .key = ask->key });
    return bus_ask(ctx, keys->bus, SUBJECT_VALIDATE_APIKEY, body.data, body.size, ask->limit_ms, on_reply, ask);
}

/* The feed lost something while the answer was on its way: it may be older than a revocation that nobody will hear of.
 */
static bool ask_again(struct ask *ask)
{
    struct ctx ctx = { 0 };
    bool sent = ask->generation != feed_generation(ask->keys->feed) && send_ask(&ctx, ask);
    ctx_finish(&ctx);
    return sent;
}

/* On a thread of the bus. */
static void on_reply(void *self, int status, const char *data, size_t size)
{
    struct ask *ask = self;
    struct key_cache *keys = ask->keys;
    if (status == 200 && ask_again(ask))
        return;
    struct grant *fresh_grant = status == 200 ? grant_read(data, size) : NULL, *grant = NULL;
    pthread_mutex_lock(&keys->lock);
    enum key_state state = take_answer(keys, ask->key, status, fresh_grant, &grant);
    if (fresh_grant && state == KEY_KNOWN)
        key_answers_put(keys->answers, ask->key, clock_ms(), data, size);
    *ask_slot(keys, ask->key) = ask->next;
    keys->ask_count--;
    pthread_mutex_unlock(&keys->lock);
    for (struct key_waiter *waiter = ask->waiters, *next; waiter; waiter = next) {
        next = waiter->next;
        waiter->state = state;
        waiter->grant = grant ? grant_ref(grant) : NULL;
        loop_send(waiter->loop, &waiter->message);
    }
    grant_unref(grant);
    grant_unref(fresh_grant);
    free(ask);
}

/* With the lock held; NULL: somebody asks already, or too many do. */
static struct ask *join(struct key_cache *keys, const char *key, struct key_waiter *waiter)
{
    struct ask **slot = ask_slot(keys, key), *ask = *slot;
    bool asked = ask;
    if (!ask) {
        learn(keys, key);
        ask = must(calloc(1, sizeof *ask + strlen(key) + 1));
        ask->keys = keys;
        ask->limit_ms = may_be_served_on(keys, lru_get(keys->known, key), clock_ms()) ? OVERDUE_MS : ASK_MS;
        strcpy(ask->key, key);
        *slot = ask;
        keys->ask_count++;
        keys->counts->asked++;
    }
    waiter->next = ask->waiters;
    ask->waiters = waiter;
    return asked ? NULL : ask;
}

struct key_waiter *key_cache_ask(struct ctx *ctx, struct key_cache *keys, struct loop *loop, const char *key,
                                 key_answer_fn *answer, void *self)
{
    struct key_waiter *waiter = must(calloc(1, sizeof *waiter));
    *waiter = (struct key_waiter){ .message = { .run = deliver }, .answer = answer, .self = self, .loop = loop };
    pthread_mutex_lock(&keys->lock);
    /* The answer may have come since the caller looked. */
    waiter->state = find(keys, key, clock_ms(), &waiter->grant);
    bool full = waiter->state == KEY_ASK && keys->ask_count >= ASKS_MAX;
    struct ask *ask = waiter->state == KEY_ASK && !full ? join(keys, key, waiter) : NULL;
    bool waits = waiter->state == KEY_ASK && !full;
    pthread_mutex_unlock(&keys->lock);
    if (!waits) {
        waiter->state = full ? KEY_AWAY : waiter->state;
        loop_send(loop, &waiter->message);
    } else if (ask) {
        if (!send_ask(ctx, ask))
            on_reply(ask, 503, "", 0);
    }
    return waiter;
}
