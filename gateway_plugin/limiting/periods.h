#pragma once
/*
 * The windows that Kong's rate-limiting counts in: calendar ones, in UTC. A
 * minute begins at its second 0, a month on its first day.
 */
#include <stdint.h>

enum period { PERIOD_SECOND, PERIOD_MINUTE, PERIOD_HOUR, PERIOD_DAY, PERIOD_MONTH, PERIOD_YEAR, PERIODS };

extern const char *const period_names[PERIODS];

/* The one that this second (since 1970) lies in, and the first second after it. */
struct window {
    int64_t start, end;
};
struct window period_window(enum period period, int64_t now_s);
