#pragma once
/*
 * The answers that a process keeps, bounded in bytes, and who is fetching which:
 * of many that ask for the same at once one asks the member. Any thread.
 */
#include "caching/cached.h"
#include "process/loop.h"
#include "caching/shared_answers.h"

struct answer_cache;
struct flight;

enum { FORGOTTEN = 4096 };

/* When the answers of a target were last forgotten, on clock_us(), by a hash of it: in memory that the edge's processes
 * share, so that what is changed through one is not given by another. */
struct forgotten {
    _Atomic int64_t at[FORGOTTEN];
};

/* Of one process, in memory that the others read. */
struct cache_counts {
    _Atomic int64_t misses, hits, stale, refreshed, bypassed; /* requests, by what they were told */
    _Atomic int64_t asked_behind;                             /* members, behind a client's back */
    _Atomic int64_t entries, bytes;                           /* that it keeps now */
};

/* `shared`: what the edge's other processes know too; NULL: there are none. `counts` outlives it. */
struct answer_cache *answer_cache_create(size_t bytes, struct forgotten *forgotten, struct shared_answers *shared,
                                         struct cache_counts *counts);
void answer_cache_destroy(struct answer_cache *cache);
/* The largest body that is kept. */
size_t answer_cache_most(const struct answer_cache *cache);

/* Bytes of answers that are not whole yet are counted too. false: too many. */
bool answer_cache_hold(struct answer_cache *cache, size_t bytes);
void answer_cache_release(struct answer_cache *cache, size_t bytes);

/* NULL: there is none. With a reference. */
struct cached *answer_cache_get(struct answer_cache *cache, const char *key);
/* Takes the reference; pushes out what was used longest ago. */
void answer_cache_put(struct answer_cache *cache, struct cached *cached);
void answer_cache_drop(struct answer_cache *cache, const char *key);
/* Whatever is kept of this target, or is on its way, is not given any more. */
void answer_cache_forget(struct answer_cache *cache, uint32_t target, int64_t now_us);

/* Nobody else fetches this, in any process, until it is let go of. false: somebody does. */
bool answer_cache_claim(struct answer_cache *cache, const char *key);
void answer_cache_let_go(struct answer_cache *cache, const char *key);

/* One that waits. `landed` is called on its loop unless it was cancelled. */
struct cache_waiter;
typedef void cache_landed_fn(void *self, bool again);

/* The one that fetches; NULL: somebody does already, and `*waiter` hears of it, or too many wait (then it is NULL too).
 */
struct flight *answer_cache_fly(struct answer_cache *cache, const char *key, struct loop *loop, cache_landed_fn *landed,
                                void *self, struct cache_waiter **waiter);
void cache_waiter_cancel(void *waiter);
/* The head has come: those that wait do so for a second more at most. */
void flight_begun(struct answer_cache *cache, struct flight *flight, int64_t now_ms);
/* It is over. `again`: who waits looks anew, else he asks the member himself. Frees it. */
void flight_land(struct answer_cache *cache, struct flight *flight, bool again);
/* Now and then: who has waited too long asks the member himself. */
void answer_cache_sweep(struct answer_cache *cache, int64_t now_ms);
