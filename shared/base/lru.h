#pragma once
/*
 * A bounded map from text to anything, forgetting what was used longest ago.
 * Every cache and every table of remembered things is one, so each has a bound.
 * Not locked: its owner is one thread or holds a lock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lru;

/* `release` (may be NULL) is called on a value that leaves: pushed out, replaced, dropped, expired or at the end. */
struct lru *lru_create(size_t capacity, void (*release)(void *value));
void lru_destroy(struct lru *lru);

/* NULL where there is none or it is past its age. The value stays the map's. */
void *lru_get(struct lru *lru, const char *key);
/* Copies the key; takes the value. `until_ms` is on clock_ms(), 0 = no limit of age. */
void lru_put(struct lru *lru, const char *key, void *value, int64_t until_ms);
bool lru_drop(struct lru *lru, const char *key);
/* Forgets what was used longest ago. false: it is empty. */
bool lru_drop_oldest(struct lru *lru);
void lru_clear(struct lru *lru);
size_t lru_count(const struct lru *lru);
/* Calls `each` on every pair, drops those for which it returns false. `each` must not call the map. */
void lru_filter(struct lru *lru, bool (*each)(void *self, const char *key, void *value), void *self);
