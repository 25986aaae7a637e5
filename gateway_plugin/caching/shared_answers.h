#pragma once
/*
 * Answers that the processes of one edge share: a ring of memory that was mapped
 * before they were forked, in which the newest takes the place of the oldest.
 * Whoever takes one out gets a copy. A process that dies while it writes leaves
 * nothing behind that another one finds.
 */
#include "caching/cached.h"

struct shared_answers;

struct shared_answers *shared_answers_create(size_t bytes);
void shared_answers_destroy(struct shared_answers *shared);
/* Of the ring, that answers have taken: all of it, once it is full. */
size_t shared_answers_used(struct shared_answers *shared);
/* One that is too large for the ring is left out. */
void shared_answers_put(struct shared_answers *shared, const struct cached *cached);
/* NULL: there is none that was stored after `after_ms`. With one reference; how old it is, is for the caller to see. */
struct cached *shared_answers_get(struct shared_answers *shared, const char *key, int64_t after_ms);
void shared_answers_drop(struct shared_answers *shared, const char *key);

/*
 * Who fetches what, for all processes. false: another process does, until `until_ms` at most. Two keys may have the
 * same place: then one of them is not kept track of, and is fetched.
 */
bool shared_answers_claim(struct shared_answers *shared, const char *key, int64_t now_ms, int64_t until_ms);
void shared_answers_extend(struct shared_answers *shared, const char *key, int64_t until_ms);
/* Its fetcher has it, or has given up. */
void shared_answers_release(struct shared_answers *shared, const char *key);
bool shared_answers_claimed(struct shared_answers *shared, const char *key, int64_t now_ms);
