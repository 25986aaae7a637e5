#pragma once
/* What the two halves of the resolver share: resolver.c keeps the names, resolver_thread.c asks for them. */
#include "member/resolver.h"
#include "member/srv_records.h"

#include <ares.h>
#include <pthread.h>

struct name {
    struct name *next;
    struct resolver *resolver;
    unsigned epoch; /* in which it was wanted last */
    bool asking, dropped, answered, missed;
    int64_t due_ms;
    struct addresses addresses;
    struct srv_records srv; /* of one that begins with `_`: their hosts are names of their own */
    char target[];
};

struct resolver {
    pthread_mutex_t lock; /* of all below but for `channel` */
    struct name *names;
    size_t count;
    unsigned epoch;
    bool stopping, full; /* who found no room has been told of */
    bool news, telling;  /* that nobody has been told; that somebody is being told */
    void (*changed)(void *self);
    void *self;
    int bell;
    ares_channel channel; /* the thread's own */
    pthread_t thread;
};

void name_free(struct name *name);
/* `_service._tcp.NAME` */
bool name_is_srv(const struct name *name);
/* Of the thread. */
void *resolver_run(void *resolver);
