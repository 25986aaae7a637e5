#pragma once
/*
 * What auth has said about API keys. Known and refused keys are remembered in
 * bounded tables of their own: a refusal 2 s, a known key 60 s while the feed of
 * revocations is whole; where auth is away it is served on for 5 min, also where
 * another process of the edge was told of it (key_answers.h). Every hit,
 * and every answer before it is remembered, is looked at against the feed. Many
 * who ask for one key at a time make one question. Any thread.
 */
#include "base/ctx.h"
#include "apikey/grant.h"
#include "process/loop.h"

struct bus;
struct feed;
struct key_answers;
struct key_cache;

enum key_state {
    KEY_KNOWN,
    KEY_REFUSED,
    KEY_FORBIDDEN,
    KEY_AWAY, /* auth cannot be asked, and it is not remembered */
    KEY_ASK,  /* key_cache_ask() will say */
};

struct key_counts {
    _Atomic int64_t asked, answered, refused, away, stale;
};

/* `rates`, `answers` and `counts` outlive it. */
struct key_cache *key_cache_create(struct bus *bus, struct rates *rates, struct key_answers *answers,
                                   struct key_counts *counts);
/* Before the first key is looked for. */
void key_cache_follow(struct key_cache *keys, struct feed *feed);
void key_cache_destroy(struct key_cache *keys);
/* Everything is asked for again: NATS was away, or revocations may have been missed. */
void key_cache_doubt(struct key_cache *keys);

/* `now_ms` on clock_ms(). KEY_KNOWN: *grant with a reference. */
enum key_state key_cache_find(struct key_cache *keys, const char *key, int64_t now_ms, struct grant **grant);

/* On the loop's thread; takes the reference. */
typedef void key_answer_fn(void *self, enum key_state state, struct grant *grant);
struct key_waiter;
/* `ctx`: its request id and trace go along. `answer` is called later, exactly once, unless cancelled. */
struct key_waiter *key_cache_ask(struct ctx *ctx, struct key_cache *keys, struct loop *loop, const char *key,
                                 key_answer_fn *answer, void *self);
/* On the loop's thread. */
void key_waiter_cancel(void *waiter);
