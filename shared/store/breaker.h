#pragma once
/*
 * Spares callers the wait for a dependency that is down: after a few failures
 * in a row it is open and refuses at once; a second later one caller may try
 * (half-open), and what comes of that closes it or keeps it open. Any thread.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct breaker {
    const char *name; /* for the log */
    pthread_mutex_t lock;
    int failures; /* in a row */
    bool open;
    int64_t retry_ms; /* on clock_ms(): when the next may try */
};

void breaker_init(struct breaker *breaker, const char *name);
void breaker_finish(struct breaker *breaker);
/* false: do not even try. A caller that was let through says what came of it with breaker_note(). */
bool breaker_try(struct breaker *breaker);
void breaker_note(struct breaker *breaker, bool good);
bool breaker_closed(struct breaker *breaker);
