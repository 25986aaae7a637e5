#include "limiting/periods.h"

#include <time.h>

const char *const period_names[PERIODS] = { "second", "minute", "hour", "day", "month", "year" };

static struct window of_calendar(enum period period, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm start;
    gmtime_r(&now, &start);
    start = (struct tm){ .tm_year = start.tm_year, .tm_mon = period == PERIOD_MONTH ? start.tm_mon : 0, .tm_mday = 1 };
    struct tm end = start;
    *(period == PERIOD_MONTH ? &end.tm_mon : &end.tm_year) += 1;
    return (struct window){ timegm(&start), timegm(&end) };
}

struct window period_window(enum period period, int64_t now_s)
{
    static const int64_t sizes[] = { 1, 60, 3600, 86400 };
    if (period > PERIOD_DAY)
        return of_calendar(period, now_s);
    int64_t start = now_s - now_s % sizes[period];
    return (struct window){ start, start + sizes[period] };
}
