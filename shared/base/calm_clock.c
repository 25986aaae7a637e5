#include "base/calm_clock.h"

#include "base/clock.h"
#include "base/shared_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* Who sleeps for a turn and finds more gone than the most has waited for a processor: the rest does not count. */
enum { TURN_US = 2000, MOST_US = 3000 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct turns {
    atomic_llong counted_us, turned_us;
} * turns; /* children that are forked read them too: they have no thread of their own */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void *turn(void *none)
{
    atomic_store(&turns->turned_us, clock_us());
    for (;;) {
        nanosleep(&(struct timespec){ .tv_nsec = TURN_US * 1000L }, NULL);
        int64_t now_us = clock_us();
        atomic_fetch_add(&turns->counted_us, least(now_us - atomic_load(&turns->turned_us), MOST_US));
        atomic_store(&turns->turned_us, now_us);
    }
    return none;
}

static void begin(void)
{
    pthread_t thread;
    turns = shared_memory_create(sizeof *turns);
    if (pthread_create(&thread, NULL, turn, NULL) != 0)
        abort();
    pthread_detach(thread);
    /* A child forked while a thread is being started inherits a lock that its allocator holds under ASan. */
    while (atomic_load(&turns->turned_us) == 0)
        nanosleep(&(struct timespec){ .tv_nsec = TURN_US * 1000L }, NULL);
}

int64_t calm_ms(void)
{
    pthread_once(&once, begin);
    return atomic_load(&turns->counted_us) / 1000;
}

void calm_sleep(int64_t ms)
{
    for (int64_t until = calm_ms() + ms; calm_ms() < until;)
        nanosleep(&(struct timespec){ .tv_nsec = TURN_US * 1000L }, NULL);
}
