#pragma once
/* Waiting on a condition until ctx->deadline_ms. */
#include "base/ctx.h"
#include "store/backend.h"

#include <pthread.h>
#include <time.h>

static inline void wait_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attr);
    pthread_condattr_destroy(&attr);
}

/* For pthread_cond_timedwait on such a condition. */
static inline struct timespec wait_until(const struct ctx *ctx)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t left = ctx_left_ms(ctx, STORE_WAIT_MS);
    until.tv_sec += left / 1000;
    until.tv_nsec += left % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}
