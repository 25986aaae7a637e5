#pragma once
/* What limit_link.c (the thread) and limit_links.c (which links there are) share. */
#include "limiting/limit_link.h"
#include "store/redis.h"

struct limit_sync;

struct limit_link {
    struct limit_link *next;
    struct redis_options options;
    struct redis_address address;
    struct arena arena;
    atomic_size_t references;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct limit_ask *first, **last; /* the queue */
    size_t queued;
    bool up, stopping, ended;
    bool failed; /* the last batch: the thread's */
    atomic_bool tried;
    redisContext *redis; /* the thread's; NULL while away */
    int64_t synced_ms;
    bool away;               /* as the log has it */
    int64_t logged_ms[2];    /* when it last said that it is back, that it is away; 0: never */
    struct limit_sync *sync; /* NULL: every request is asked about */
};

/* The thread of a link. */
void *limit_link_run(void *self);
