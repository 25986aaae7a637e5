#pragma once
/* What the files of the service protocol share; nobody else includes it. */
#include "nats/bus_parts.h"
#include "nats/sender_clocks.h"
#include "nats/serve.h"

enum { LAST_ERROR = 160, DISCOVERY = 9 };

struct endpoint {
    struct service *of;
    const struct subject *subject;
    const void *service; /* req->service */
    const char *name;
    struct listening *listening;
    /* Counted without the lock, by __atomic; times in nanoseconds. */
    uint64_t requests, errors, time_ns;
    char last_error[LAST_ERROR]; /* under the service's lock */
    struct metric *seconds;
};

/* $SRV.VERB, $SRV.VERB.name, $SRV.VERB.name.id */
struct discovery {
    struct service *of;
    void (*write)(struct service *service, struct buf *out);
    struct listening *listening;
};

struct service {
    struct arena arena;
    struct bus *bus;
    const char *name, *version, *description, *id, *started;
    const struct pair *metadata; /* ends with {0} */
    struct workers *workers;
    struct sender_clocks *senders;
    struct metric *requests; /* NULL: not counted */
    struct endpoint *endpoints;
    size_t count;
    struct discovery discovery[DISCOVERY];
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    size_t under_way;
    bool ended;  /* no call is answered any more; by __atomic */
    bool called; /* libnats may still call: the memory must stay */
};

/* serve_request.c */
bus_arrival_fn request_arrived; /* self: struct endpoint */

/* serve_discovery.c */
void discovery_start(struct service *service);
/* Error of an endpoint into its statistics. */
void endpoint_failed(struct endpoint *endpoint, int status, const char *text);
