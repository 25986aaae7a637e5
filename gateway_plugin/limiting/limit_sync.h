#pragma once
/*
 * Counting in a shared Redis from time to time (Kong's sync_rate): a request is
 * counted by the edge's own counts, at once, and noted here; the thread of
 * limit_link.c tells Redis what has gathered and hears how many there are in all.
 * Bounded: of more than SYNC_MAX who are limited at a time, the rest are counted
 * by the edge alone until there is room. While Redis is known to be away all is
 * kept; what was under way when it went may not be counted there.
 */
#include "limiting/counts.h"

#include <hiredis.h>
#include <stdbool.h>
#include <stddef.h>

enum { SYNC_MAX = 16384 };

struct limit_sync;

/* `counts` outlives it. */
struct limit_sync *limit_sync_create(struct counts *counts);
void limit_sync_destroy(struct limit_sync *sync);
/* Any thread: who was counted in the windows that have a limit. */
void limit_sync_note(struct limit_sync *sync, const char *who, const int64_t limits[PERIODS], int64_t now_s);
/* On the link's thread, until that time on clock_ms(). NULL, or why not. */
const char *limit_sync_run(struct limit_sync *sync, redisContext *redis, int64_t until);
