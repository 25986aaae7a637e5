#include "nats/sender_clocks.h"

#include "base/lru.h"

#include <pthread.h>
#include <stdlib.h>

enum { WINDOW_MS = 10000 };

struct sender_clocks {
    pthread_mutex_t mutex;
    struct lru *senders; /* name -> struct seen */
};

/* What messages seemed to take: the least of this window and of the one before. A clock that is set back makes all
 * that follow seem slow, so a window ends; one without messages does not, for what waited in it comes after it. */
struct seen {
    int64_t least, before, since;
};

struct sender_clocks *sender_clocks_create(unsigned senders)
{
    struct sender_clocks *clocks = calloc(1, sizeof *clocks);
    if (!clocks)
        abort();
    pthread_mutex_init(&clocks->mutex, NULL);
    clocks->senders = lru_create(senders, free);
    return clocks;
}

void sender_clocks_destroy(struct sender_clocks *clocks)
{
    if (!clocks)
        return;
    lru_destroy(clocks->senders);
    pthread_mutex_destroy(&clocks->mutex);
    free(clocks);
}

static struct seen *seen_of(struct sender_clocks *clocks, const char *sender, int64_t took, int64_t tick_ms)
{
    struct seen *seen = lru_get(clocks->senders, sender);
    if (seen)
        return seen;
    seen = malloc(sizeof *seen);
    if (!seen)
        abort();
    *seen = (struct seen){ took, took, tick_ms };
    lru_put(clocks->senders, sender, seen, 0);
    return seen;
}

int64_t sender_clocks_age(struct sender_clocks *clocks, const char *sender, int64_t sent_ms, int64_t now_ms,
                          int64_t tick_ms)
{
    int64_t took = now_ms - sent_ms;
    pthread_mutex_lock(&clocks->mutex);
    struct seen *seen = seen_of(clocks, sender, took, tick_ms);
    if (tick_ms - seen->since > WINDOW_MS)
        *seen = (struct seen){ took, seen->least, tick_ms };
    seen->least = took < seen->least ? took : seen->least;
    int64_t quickest = seen->least < seen->before ? seen->least : seen->before;
    pthread_mutex_unlock(&clocks->mutex);
    return took - quickest;
}
