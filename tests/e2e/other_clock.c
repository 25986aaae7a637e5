/* LD_PRELOAD: a process whose clock is OTHER_CLOCK_S seconds ahead of the machine's, or behind it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead_s(void)
{
    const char *text = getenv("OTHER_CLOCK_S");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int status = (int)syscall(SYS_clock_gettime, clock, out);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += ahead_s();
    return status;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* Until a moment of the clock above, or of the monotonic one, which is years behind it. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    const time_t years = 20 * 365 * 86400;
    if (until->tv_sec < years)
        return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until);
    struct timespec here = { until->tv_sec - ahead_s(), until->tv_nsec };
    return pthread_cond_clockwait(cond, mutex, CLOCK_REALTIME, &here);
}
