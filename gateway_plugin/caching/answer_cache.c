#include "caching/answer_cache.h"

#include "base/clock.h"
#include "base/lru.h"
#include "must.h"

#include <stdio.h>
#include <string.h>

enum {
    ENTRIES_MAX = 65536,
    ENTRY_COST = 160, /* of the map, for each */
    PARTS = 4,        /* no answer takes more than such a part of the room */
    BUCKETS = 256,
    WAITERS_MAX = 4096,
    WAIT_MS = 5000,      /* for a head */
    BODY_WAIT_MS = 1000, /* for the body: whoever fetches it may be a slow reader */
};

struct cache_waiter {
    struct message message;            /* first */
    struct cache_waiter *next, **link; /* link NULL: its message is on its way */
    struct answer_cache *cache;
    struct flight *flight;
    struct loop *loop;
    cache_landed_fn *landed; /* the loop's: NULL when cancelled */
    void *self;
    bool again;
};

struct flight {
    char key[65];
    struct flight *next;
    struct cache_waiter *waiters;
    size_t waiter_count;
    int64_t until_ms;
    bool listed;  /* others find it */
    bool claimed; /* the other processes know of it */
    bool remote;  /* it is another process's: nobody here leads it */
};

struct answer_cache {
    atomic_size_t held;   /* by answers on their way */
    pthread_mutex_t lock; /* of all below */
    struct lru *map;
    size_t bytes, bytes_max;
    struct flight *flights[BUCKETS];
    struct forgotten *forgotten;
    struct shared_answers *shared;
    struct cache_counts *counts;
};

/* The map's values know their cache, for it has to count them. */
struct kept {
    struct answer_cache *cache;
    struct cached *cached;
};

static void release(void *value)
{
    struct kept *kept = value;
    kept->cache->bytes -= kept->cached->cost + ENTRY_COST;
    kept->cache->counts->bytes -= (int64_t)(kept->cached->cost + ENTRY_COST);
    kept->cache->counts->entries--;
    cached_unref(kept->cached);
    free(kept);
}

struct answer_cache *answer_cache_create(size_t bytes, struct forgotten *forgotten, struct shared_answers *shared,
                                         struct cache_counts *counts)
{
    struct answer_cache *cache = must(calloc(1, sizeof *cache));
    pthread_mutex_init(&cache->lock, NULL);
    cache->map = lru_create(ENTRIES_MAX, release);
    cache->bytes_max = bytes;
    cache->forgotten = forgotten;
    cache->shared = shared;
    cache->counts = counts;
    return cache;
}

void answer_cache_destroy(struct answer_cache *cache)
{
    if (!cache)
        return;
    lru_destroy(cache->map);
    /* Those of other processes that nobody waits for any more. */
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct flight *flight = cache->flights[i], *next; flight; flight = next) {
            next = flight->next;
            free(flight);
        }
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

size_t answer_cache_most(const struct answer_cache *cache)
{
    return cache->bytes_max / PARTS;
}

bool answer_cache_hold(struct answer_cache *cache, size_t bytes)
{
    if (atomic_fetch_add(&cache->held, bytes) + bytes <= cache->bytes_max)
        return true;
    atomic_fetch_sub(&cache->held, bytes);
    return false;
}

void answer_cache_release(struct answer_cache *cache, size_t bytes)
{
    atomic_fetch_sub(&cache->held, bytes);
}

static bool is_forgotten(const struct answer_cache *cache, const struct cached *cached)
{
    return cached->target && cached->asked_us <= cache->forgotten->at[cached->target % FORGOTTEN];
}

static struct cached *get_own(struct answer_cache *cache, const char *key)
{
    pthread_mutex_lock(&cache->lock);
    struct kept *kept = lru_get(cache->map, key);
    struct cached *cached = kept && !is_forgotten(cache, kept->cached) ? cached_ref(kept->cached) : NULL;
    if (kept && !cached)
        lru_drop(cache->map, key);
    pthread_mutex_unlock(&cache->lock);
    return cached;
}

static void put_own(struct answer_cache *cache, struct cached *cached)
{
    size_t cost = cached->cost + ENTRY_COST;
    struct kept *kept = must(malloc(sizeof *kept));
    *kept = (struct kept){ cache, cached };
    pthread_mutex_lock(&cache->lock);
    lru_drop(cache->map, cached->key);
    while (cache->bytes + cost > cache->bytes_max && lru_drop_oldest(cache->map))
        ;
    cache->bytes += cost;
    cache->counts->bytes += (int64_t)cost;
    cache->counts->entries++;
    lru_put(cache->map, cached->key, kept, cached->stored_ms + cached->keep_ms);
    pthread_mutex_unlock(&cache->lock);
}

/* Another process may have a newer one. */
static struct cached *get_shared(struct answer_cache *cache, const char *key, const struct cached *own, int64_t now_ms)
{
    struct cached *cached = shared_answers_get(cache->shared, key, own ? own->stored_ms : 0);
    if (!cached)
        return NULL;
    if (is_forgotten(cache, cached) || now_ms >= cached->stored_ms + cached->keep_ms) {
        cached_unref(cached);
        return NULL;
    }
    put_own(cache, cached_ref(cached));
    return cached;
}

static bool is_good(const struct cached *cached, int64_t now_ms)
{
    return cached && (cached->kind != CACHED_ANSWER || cached_age_ms(cached, now_ms) < cached->fresh_ms);
}

struct cached *answer_cache_get(struct answer_cache *cache, const char *key)
{
    int64_t now_ms = clock_ms();
    struct cached *own = get_own(cache, key);
    struct cached *newer = !cache->shared || is_good(own, now_ms) ? NULL : get_shared(cache, key, own, now_ms);
    if (!newer)
        return own;
    cached_unref(own);
    return newer;
}

void answer_cache_put(struct answer_cache *cache, struct cached *cached)
{
    if (cache->shared && cached->kind == CACHED_NEVER)
        shared_answers_drop(cache->shared, cached->key);
    else if (cache->shared)
        shared_answers_put(cache->shared, cached);
    put_own(cache, cached);
}

void answer_cache_drop(struct answer_cache *cache, const char *key)
{
    if (cache->shared)
        shared_answers_drop(cache->shared, key);
    pthread_mutex_lock(&cache->lock);
    lru_drop(cache->map, key);
    pthread_mutex_unlock(&cache->lock);
}

void answer_cache_forget(struct answer_cache *cache, uint32_t target, int64_t now_us)
{
    cache->forgotten->at[target % FORGOTTEN] = now_us;
}

/* Flights */

static struct flight **slot_of(struct answer_cache *cache, const char *key)
{
    /* Keys are hashes in hexadecimal digits, of which nobody can choose many. */
    unsigned bucket = 0;
    for (int i = 0; i < 8; i++)
        bucket = bucket * 31 + (unsigned char)key[i];
    struct flight **slot = &cache->flights[bucket % BUCKETS];
    while (*slot && strcmp((*slot)->key, key) != 0)
        slot = &(*slot)->next;
    return slot;
}

static void deliver(struct loop *loop, struct message *message)
{
    struct cache_waiter *waiter = (struct cache_waiter *)message;
    (void)loop;
    if (waiter->landed)
        waiter->landed(waiter->self, waiter->again);
    free(waiter);
}

/* A loop that ends hears of nothing any more: what does not wait must not be listed. */
void cache_waiter_cancel(void *self)
{
    struct cache_waiter *waiter = self;
    struct answer_cache *cache = waiter->cache;
    pthread_mutex_lock(&cache->lock);
    bool listed = waiter->link;
    if (listed) {
        *waiter->link = waiter->next;
        if (waiter->next)
            waiter->next->link = waiter->link;
        waiter->flight->waiter_count--;
    }
    pthread_mutex_unlock(&cache->lock);
    waiter->landed = NULL;
    if (listed)
        free(waiter);
}

bool answer_cache_claim(struct answer_cache *cache, const char *key)
{
    int64_t now_ms = clock_ms();
    return !cache->shared || shared_answers_claim(cache->shared, key, now_ms, now_ms + WAIT_MS);
}

void answer_cache_let_go(struct answer_cache *cache, const char *key)
{
    if (cache->shared)
        shared_answers_release(cache->shared, key);
}

static struct flight *begin(struct answer_cache *cache, const char *key, struct flight **slot)
{
    struct flight *flight = must(calloc(1, sizeof *flight));
    snprintf(flight->key, sizeof flight->key, "%s", key);
    flight->until_ms = clock_ms() + WAIT_MS;
    flight->listed = true;
    flight->claimed = answer_cache_claim(cache, key);
    flight->remote = !flight->claimed;
    return *slot = flight;
}

static struct cache_waiter *wait_for(struct answer_cache *cache, struct flight *flight, struct loop *loop,
                                     cache_landed_fn *landed, void *self)
{
    if (flight->waiter_count == WAITERS_MAX)
        return NULL;
    struct cache_waiter *waiter = must(calloc(1, sizeof *waiter));
    *waiter = (struct cache_waiter){
        .message = { .run = deliver },
        .next = flight->waiters,
        .link = &flight->waiters,
        .cache = cache,
        .flight = flight,
        .loop = loop,
        .landed = landed,
        .self = self,
    };
    if (waiter->next)
        waiter->next->link = &waiter->next;
    flight->waiters = waiter;
    flight->waiter_count++;
    return waiter;
}

struct flight *answer_cache_fly(struct answer_cache *cache, const char *key, struct loop *loop, cache_landed_fn *landed,
                                void *self, struct cache_waiter **waiter)
{
    *waiter = NULL;
    pthread_mutex_lock(&cache->lock);
    struct flight **slot = slot_of(cache, key), *flight = *slot ? NULL : begin(cache, key, slot);
    if (!flight || flight->remote)
        *waiter = wait_for(cache, *slot, loop, landed, self);
    pthread_mutex_unlock(&cache->lock);
    return flight && !flight->remote ? flight : NULL;
}

void flight_begun(struct answer_cache *cache, struct flight *flight, int64_t now_ms)
{
    pthread_mutex_lock(&cache->lock);
    flight->until_ms = now_ms + BODY_WAIT_MS;
    if (cache->shared && flight->claimed)
        shared_answers_extend(cache->shared, flight->key, flight->until_ms);
    pthread_mutex_unlock(&cache->lock);
}

/* With the lock held: nobody finds it any more. */
static struct cache_waiter *unlist(struct answer_cache *cache, struct flight *flight)
{
    if (flight->listed)
        *slot_of(cache, flight->key) = flight->next;
    flight->listed = false;
    if (flight->claimed)
        answer_cache_let_go(cache, flight->key);
    flight->claimed = false;
    struct cache_waiter *waiters = flight->waiters;
    flight->waiters = NULL;
    for (struct cache_waiter *waiter = waiters; waiter; waiter = waiter->next)
        waiter->link = NULL;
    return waiters;
}

static void wake(struct cache_waiter *waiters)
{
    for (struct cache_waiter *waiter = waiters, *next; waiter; waiter = next) {
        next = waiter->next;
        loop_send(waiter->loop, &waiter->message);
    }
}

void flight_land(struct answer_cache *cache, struct flight *flight, bool again)
{
    if (!flight)
        return;
    pthread_mutex_lock(&cache->lock);
    struct cache_waiter *waiters = unlist(cache, flight);
    for (struct cache_waiter *waiter = waiters; waiter; waiter = waiter->next)
        waiter->again = again;
    pthread_mutex_unlock(&cache->lock);
    wake(waiters);
    free(flight);
}

/* Is it over for those that wait? Of another process's flight: when that lets go of it. */
static bool is_over(const struct answer_cache *cache, const struct flight *flight, int64_t now_ms, bool *again)
{
    *again = flight->remote && !shared_answers_claimed(cache->shared, flight->key, now_ms);
    return *again || now_ms >= flight->until_ms;
}

static void sweep_flight(struct answer_cache *cache, struct flight *flight, int64_t now_ms, struct cache_waiter **late)
{
    bool again, remote = flight->remote;
    if (!is_over(cache, flight, now_ms, &again))
        return;
    for (struct cache_waiter *waiter = unlist(cache, flight), *then; waiter; waiter = then) {
        then = waiter->next;
        waiter->again = again;
        waiter->next = *late;
        *late = waiter;
    }
    if (remote)
        free(flight);
}

void answer_cache_sweep(struct answer_cache *cache, int64_t now_ms)
{
    struct cache_waiter *late = NULL;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct flight *flight = cache->flights[i], *next; flight; flight = next) {
            next = flight->next;
            sweep_flight(cache, flight, now_ms, &late);
        }
    }
    pthread_mutex_unlock(&cache->lock);
    wake(late);
}
