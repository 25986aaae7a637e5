#pragma once
/*
 * Events in. Two kinds: a durable pull consumer that the replicas of a service
 * share (each event to one of them, acknowledged after the handler), and an
 * ephemeral one for what each replica keeps by itself (projection, caches),
 * from a sequence on. A thread of its own.
 */
#include "nats/bus.h"

struct consumer;

struct consumed {
    const char *type;   /* subject */
    const char *id;     /* the event's */
    const char *entity; /* CloudEvents subject */
    int64_t version;    /* the entity's */
    int64_t time_ms;    /* when it was written */
    const char *data;   /* JSON of `data` */
    size_t data_size;
    uint64_t sequence; /* of the stream */
};

struct consumer_options {
    const char *stream;  /* "EVENTS" */
    const char *filter;  /* "event.track.>" ; NULL = all */
    const char *durable; /* the service's name: others compose/nats.conf does not allow; NULL: ephemeral, ordered,
                            without acknowledgements */
    uint64_t after;      /* ephemeral: the first sequence is after + 1 */
    /* false: not handled (redelivered with growing delays when durable). */
    bool (*handle)(struct ctx *ctx, void *self, const struct consumed *event);
    /* ephemeral: the stream does not hold what comes after `after`, or is another one: build anew, then answer the
     * sequence to go on from. */
    bool (*lost)(struct ctx *ctx, void *self, uint64_t first, uint64_t last, uint64_t *after);
    void *self;
};

struct consumer *consumer_start(struct ctx *ctx, struct bus *bus, const struct consumer_options *options);
void consumer_stop(struct consumer *consumer);
/* Messages of the stream (after the filter) not yet handled here, -1 unknown: for /ready. */
int64_t consumer_lag(const struct consumer *consumer);

/* Sequence and identity (creation time) of a stream now: before a projection's scan. */
bool stream_state(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t *last, int64_t *created_ms);
