#pragma once
/* The two clocks: one for measuring, one for telling. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Monotonic milliseconds (microseconds): deadlines, durations. Means nothing outside this process. */
int64_t clock_ms(void);
int64_t clock_us(void);
/* Milliseconds since 1970-01-01T00:00:00Z: what is stored and shown. */
int64_t clock_now_ms(void);

/* ISO 8601 / RFC 3339 in UTC with milliseconds: "2026-11-20T18:52:01.123Z". Held to the years 0000 to 9999. */
char *clock_format(struct arena *arena, int64_t unix_ms);
/* Takes RFC 3339 (any offset, 0 to 9 digits of a second); false when `text` is no such time. */
bool clock_parse(const char *text, int64_t *unix_ms);
