#include "keeper/keeper.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { CHORES_MAX = 16, CHORE_MS = 10000 };

struct keeper {
    const struct chore *chores;
    int64_t next_ms[CHORES_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopping;
    bool stop;
};

static void do_chore(const struct chore *chore)
{
    struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + CHORE_MS };
    if (!chore->run(&ctx, chore->self))
        log_failure(LOG_DEBUG, &ctx, chore->name);
    ctx_finish(&ctx);
}

/* When the next one is due. */
static int64_t do_due(struct keeper *keeper)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; keeper->chores[i].name && i < CHORES_MAX; i++) {
        if (keeper->next_ms[i] <= clock_ms()) {
            do_chore(&keeper->chores[i]);
            keeper->next_ms[i] = clock_ms() + keeper->chores[i].every_ms;
        }
        if (keeper->next_ms[i] < next)
            next = keeper->next_ms[i];
    }
    return next;
}

/* True when it is time to stop. */
static bool rest(struct keeper *keeper, int64_t until_ms)
{
    struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stop && pthread_cond_timedwait(&keeper->stopping, &keeper->lock, &until) != ETIMEDOUT)
        continue;
    bool stop = keeper->stop;
    pthread_mutex_unlock(&keeper->lock);
    return stop;
}

static void *run(void *self)
{
    struct keeper *keeper = self;
    while (!rest(keeper, do_due(keeper)))
        continue;
    return NULL;
}

struct keeper *keeper_start(const struct chore *chores)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        abort();
    keeper->chores = chores;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&keeper->lock, NULL);
    if (pthread_create(&keeper->thread, NULL, run, keeper) != 0)
        abort();
    return keeper;
}

void keeper_stop(struct keeper *keeper)
{
    if (!keeper)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->stop = true;
    pthread_cond_signal(&keeper->stopping);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->stopping);
    free(keeper);
}
