/* Windows of the calendar, and counting in them. */
#include "limiting/counts.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t at(const char *text)
{
    int64_t ms;
    cr_assert(clock_parse(text, &ms));
    return ms / 1000;
}

Test(periods, are_the_calendars)
{
    static const struct {
        enum period period;
        const char *now, *start, *end;
    } cases[] = {
        { PERIOD_SECOND, "2026-11-21T14:05:48Z", "2026-11-21T14:05:48Z", "2026-11-21T14:05:49Z" },
        { PERIOD_MINUTE, "2026-11-21T14:05:48Z", "2026-11-21T14:05:00Z", "2026-11-21T14:06:00Z" },
        { PERIOD_HOUR, "2026-11-21T14:05:48Z", "2026-11-21T14:00:00Z", "2026-11-21T15:00:00Z" },
        { PERIOD_DAY, "2026-11-21T14:05:48Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z" },
        { PERIOD_MONTH, "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z" },
        { PERIOD_MONTH, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z" },
        { PERIOD_YEAR, "2026-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
        { PERIOD_YEAR, "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct window window = period_window(cases[i].period, at(cases[i].now));
        cr_expect_eq(window.start, at(cases[i].start), "%s of %s", period_names[cases[i].period], cases[i].now);
        cr_expect_eq(window.end, at(cases[i].end), "%s of %s", period_names[cases[i].period], cases[i].now);
    }
}

static int taken(struct counts *counts, const char *who, const int64_t limits[PERIODS], int64_t now_s, int tries)
{
    int64_t used[PERIODS];
    int good = 0;
    for (int i = 0; i < tries; i++)
        good += counts_take(counts, counts_id(counts, who, strlen(who)), limits, now_s, used);
    return good;
}

Test(counts, hold_every_limit)
{
    struct counts *counts = counts_create();
    static const int64_t limits[PERIODS] = { [PERIOD_SECOND] = 2, [PERIOD_MINUTE] = 5, [PERIOD_HOUR] = 6 };
    int64_t hour = at("2026-11-21T14:00:00Z"), used[PERIODS];
    cr_expect_eq(taken(counts, "a", limits, hour, 3), 2);
    cr_expect_eq(taken(counts, "a", limits, hour + 1, 3), 2);
    cr_expect_eq(taken(counts, "a", limits, hour + 2, 3), 1, "five a minute");
    cr_expect_eq(taken(counts, "b", limits, hour + 2, 3), 2, "each for himself");
    cr_expect_eq(taken(counts, "a", limits, hour + 60, 3), 1, "six an hour: what is refused is not counted");
    cr_expect_not(counts_take(counts, counts_id(counts, "a", 1), limits, hour + 61, used));
    cr_expect_eq(used[PERIOD_SECOND], 0);
    cr_expect_eq(used[PERIOD_MINUTE], 1);
    cr_expect_eq(used[PERIOD_HOUR], 6);
    cr_expect_eq(taken(counts, "a", limits, hour + 3600, 3), 2, "a new hour");
    counts_destroy(counts);
}

Test(counts, are_those_of_all_processes)
{
    struct counts *counts = counts_create();
    static const int64_t limits[PERIODS] = { [PERIOD_DAY] = 10 };
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(taken(counts, "a", limits, 1000000, 7));
    waitpid(child, &status, 0);
    cr_expect_eq(WEXITSTATUS(status), 7);
    cr_expect_eq(taken(counts, "a", limits, 1000000, 7), 3);
    counts_destroy(counts);
}

Test(counts, forget_whom_they_have_not_seen_for_longest)
{
    struct counts *counts = counts_create();
    static const int64_t limits[PERIODS] = { [PERIOD_YEAR] = 1 };
    for (int i = 0; i < 2 * COUNTS_MAX; i++) {
        char who[16];
        snprintf(who, sizeof who, "%d", i);
        cr_assert_eq(taken(counts, who, limits, 1000000 + i, 1), 1);
        /* who is here all the time is known all the time */
        if (i % 16 == 0)
            cr_assert_eq(taken(counts, "regular", limits, 1000000 + i, 1), i == 0);
    }
    char last[16];
    snprintf(last, sizeof last, "%d", 2 * COUNTS_MAX - 1);
    cr_expect_eq(taken(counts, last, limits, 1000000 + 2 * COUNTS_MAX, 1), 0);
    cr_expect_eq(taken(counts, "0", limits, 1000000 + 2 * COUNTS_MAX, 1), 1);
    counts_destroy(counts);
}
