#include "store/breaker.h"

#include "base/clock.h"
#include "base/log.h"

enum { FAILURES_MAX = 3, RETRY_MS = 1000 };

void breaker_init(struct breaker *breaker, const char *name)
{
    *breaker = (struct breaker){ .name = name };
    pthread_mutex_init(&breaker->lock, NULL);
}

void breaker_finish(struct breaker *breaker)
{
    pthread_mutex_destroy(&breaker->lock);
}

bool breaker_try(struct breaker *breaker)
{
    pthread_mutex_lock(&breaker->lock);
    bool may = !breaker->open || clock_ms() >= breaker->retry_ms;
    if (breaker->open && may)
        breaker->retry_ms = clock_ms() + RETRY_MS; /* the others wait for what comes of this one */
    pthread_mutex_unlock(&breaker->lock);
    return may;
}

void breaker_note(struct breaker *breaker, bool good)
{
    pthread_mutex_lock(&breaker->lock);
    bool was_open = breaker->open;
    breaker->failures = good ? 0 : breaker->failures + 1;
    breaker->open = breaker->failures >= FAILURES_MAX;
    if (breaker->open)
        breaker->retry_ms = clock_ms() + RETRY_MS;
    bool opened = breaker->open && !was_open, closed = was_open && !breaker->open;
    pthread_mutex_unlock(&breaker->lock);
    if (opened)
        log_warn(NULL, "a dependency is away", "dependency", breaker->name);
    if (closed)
        log_info(NULL, "a dependency is back", "dependency", breaker->name);
}

bool breaker_closed(struct breaker *breaker)
{
    pthread_mutex_lock(&breaker->lock);
    bool closed = !breaker->open;
    pthread_mutex_unlock(&breaker->lock);
    return closed;
}
