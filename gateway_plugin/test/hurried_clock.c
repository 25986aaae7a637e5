/* The edge with a clock that runs ten times as fast, so that a test of its longest limits takes seconds. Linked with
 * --wrap=clock_gettime; h2o's own timers keep their pace. */
#include <time.h>

int __real_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);

enum { TIMES = 10, SECOND_NS = 1000000000 };

int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    int failed = __real_clock_gettime(id, out);
    if (failed || id != CLOCK_MONOTONIC)
        return failed;
    long long ns = (long long)out->tv_nsec * TIMES;
    out->tv_sec = out->tv_sec * TIMES + (time_t)(ns / SECOND_NS);
    out->tv_nsec = (long)(ns % SECOND_NS);
    return 0;
}
