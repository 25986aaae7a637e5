#include "base/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct queue {
    struct job *first, **end;
    size_t waiting;
};

/* A worker without work waits on a condition of its own, so that a push wakes exactly one. */
struct worker {
    struct workers *workers;
    struct worker *next; /* of those without work */
    pthread_cond_t wake;
    bool reserved, woken;
    pthread_t thread;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t calm; /* drained, perhaps */
    struct queue lanes[LANES];
    struct worker *idle[2]; /* [reserved]; last in, first out: the one whose caches are warm */
    size_t idle_count, threads, room;
    bool refusing, stopping;
    struct worker worker[];
};

static struct job *take_from(struct queue *lane)
{
    struct job *job = lane->first;
    if (!job)
        return NULL;
    lane->first = job->next;
    if (!lane->first)
        lane->end = &lane->first;
    lane->waiting--;
    return job;
}

static struct job *take(struct workers *workers, bool reserved)
{
    struct job *job = take_from(&workers->lanes[LANE_NATS]);
    return job || reserved ? job : take_from(&workers->lanes[LANE_HTTP]);
}

static void wait_for_work(struct workers *workers, struct worker *worker)
{
    worker->woken = false;
    worker->next = workers->idle[worker->reserved];
    workers->idle[worker->reserved] = worker;
    if (++workers->idle_count == workers->threads)
        pthread_cond_broadcast(&workers->calm);
    while (!worker->woken)
        pthread_cond_wait(&worker->wake, &workers->lock);
}

/* Takes one off the idle; the caller holds the lock. */
static struct worker *pick(struct workers *workers, bool reserved)
{
    struct worker *worker = workers->idle[reserved];
    if (!worker)
        return NULL;
    workers->idle[reserved] = worker->next;
    workers->idle_count--;
    worker->woken = true;
    pthread_cond_signal(&worker->wake);
    return worker;
}

static void *work(void *self)
{
    struct worker *worker = self;
    struct workers *workers = worker->workers;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct job *job = take(workers, worker->reserved);
        if (job) {
            pthread_mutex_unlock(&workers->lock);
            job->run(job);
            pthread_mutex_lock(&workers->lock);
        } else if (workers->stopping)
            break;
        else
            wait_for_work(workers, worker);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static bool start(struct workers *workers, size_t number, bool reserved)
{
    struct worker *worker = &workers->worker[number];
    worker->workers = workers;
    worker->reserved = reserved;
    pthread_cond_init(&worker->wake, NULL);
    if (pthread_create(&worker->thread, NULL, work, worker) == 0)
        return true;
    pthread_cond_destroy(&worker->wake);
    return false;
}

struct workers *workers_create(size_t threads, size_t reserved, size_t room)
{
    threads = threads ? threads : 1;
    reserved = reserved < threads ? reserved : threads - 1; /* somebody must do the rest */
    struct workers *workers = calloc(1, sizeof *workers + threads * sizeof(struct worker));
    if (!workers)
        abort();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&workers->calm, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&workers->lock, NULL);
    workers->room = room;
    for (int i = 0; i < LANES; i++)
        workers->lanes[i].end = &workers->lanes[i].first;
    pthread_mutex_lock(&workers->lock); /* nobody counts the idle before all are there */
    while (workers->threads < threads && start(workers, workers->threads, workers->threads < reserved))
        workers->threads++;
    pthread_mutex_unlock(&workers->lock);
    if (workers->threads == threads)
        return workers;
    workers_destroy(workers);
    return NULL;
}

bool workers_push(struct workers *workers, enum lane name, struct job *job)
{
    pthread_mutex_lock(&workers->lock);
    struct queue *lane = &workers->lanes[name];
    bool taken = !workers->refusing && lane->waiting < workers->room;
    if (taken) {
        job->next = NULL;
        *lane->end = job;
        lane->end = &job->next;
        lane->waiting++;
        if (name != LANE_NATS || !pick(workers, true))
            pick(workers, false);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}

static bool is_calm(const struct workers *workers)
{
    return workers->idle_count == workers->threads && !workers->lanes[LANE_NATS].first &&
           !workers->lanes[LANE_HTTP].first;
}

bool workers_drain(struct workers *workers, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&workers->lock);
    workers->refusing = true;
    int failed = 0;
    while (!is_calm(workers) && !failed)
        failed = pthread_cond_timedwait(&workers->calm, &workers->lock, &until);
    bool calm = is_calm(workers);
    pthread_mutex_unlock(&workers->lock);
    return calm;
}

void workers_destroy(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->refusing = workers->stopping = true;
    while (pick(workers, true) || pick(workers, false))
        continue;
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->threads; i++) {
        pthread_join(workers->worker[i].thread, NULL);
        pthread_cond_destroy(&workers->worker[i].wake);
    }
    pthread_cond_destroy(&workers->calm);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

size_t workers_waiting(const struct workers *workers, enum lane name)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&workers->lock;
    pthread_mutex_lock(lock);
    size_t waiting = workers->lanes[name].waiting;
    pthread_mutex_unlock(lock);
    return waiting;
}
