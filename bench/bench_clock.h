#pragma once
/* What the benches count: answers, failures, and how long each took. Any thread. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

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

/* Processor time of this process, in microseconds. */
static inline int64_t cpu_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000000LL + used.tv_nsec / 1000;
}

/* ROW SIDE and a measurement as bench/load.sh keeps them; `used_us` of processor time, 0 where others did the work. */
static inline void tally_print(struct tally *tally, const char *row, const char *side, int64_t lasted_us,
                               int64_t used_us)
{
    double answers = (double)atomic_load(&tally->answers);
    printf("RESULT %s %s %.1f %d %d %ld 0 %.2f 0\n", row, side, answers * 1e6 / (double)lasted_us,
           tally_percentile(tally, 0.50), tally_percentile(tally, 0.99), atomic_load(&tally->failures),
           answers > 0 ? (double)used_us / answers : 0);
    fflush(stdout);
}
