#pragma once
/* What the benches count: answers, failures, and how long each took. Any thread. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>

enum { SLOWEST_US = 200000 };

struct tally {
    atomic_long answers, failures;
    atomic_int took[SLOWEST_US]; /* answers by microseconds; the last one holds all that took longer */
};

static inline void tally_add(struct tally *tally, int64_t began_us, bool good)
{
    int64_t took = clock_us() - began_us;
    atomic_fetch_add(&tally->answers, 1);
    if (!good)
        atomic_fetch_add(&tally->failures, 1);
    atomic_fetch_add(&tally->took[took < SLOWEST_US ? took : SLOWEST_US - 1], 1);
}

static inline int tally_percentile(struct tally *tally, double part)
{
    long wanted = (long)((double)atomic_load(&tally->answers) * part), seen = 0;
    for (int us = 0; us < SLOWEST_US; us++) {
        seen += atomic_load(&tally->took[us]);
        if (seen > wanted)
            return us;
    }
    return SLOWEST_US;
}

/* ROW SIDE and a measurement as bench/load.sh keeps them. */
static inline void tally_print(struct tally *tally, const char *row, const char *side, int64_t lasted_us)
{
    printf("RESULT %s %s %.1f %d %d %ld 0 0 0\n", row, side,
           (double)atomic_load(&tally->answers) * 1e6 / (double)lasted_us, tally_percentile(tally, 0.50),
           tally_percentile(tally, 0.99), atomic_load(&tally->failures));
    fflush(stdout);
}
