#pragma once
/*
 * A table of subjects as a NATS service (ADR-32): $SRV.PING|INFO|STATS, queue
 * group q, Nats-Service-Error(-Code) headers. Requests go to the worker pool
 * (LANE_NATS); the delivery thread never blocks: where the lane is full it
 * answers 503 itself; what is past its deadline is dropped.
 */
#include "base/workers.h"
#include "metrics/metrics.h"
#include "nats/bus.h"

struct subject {
    const char *name;    /* "auth.validate.token" */
    handler_fn *handler; /* the same type as a route's; the body is the message, the answer's data is the reply */
    const char *summary;
    const struct field *in, *out;
    bool on_delivery; /* never blocks: answered on the delivery thread */
};

struct subject_mount {
    const struct subject *subjects; /* ends with {0} */
    const void *service;            /* req->service */
};

struct service_options {
    const char *name;    /* "auth" */
    const char *version; /* semver */
    const char *description;
    const struct subject *subjects;     /* ends with {0} */
    const void *service;                /* req->service */
    const struct subject_mount *mounts; /* further tables, each with a service of its own; ends with {0}; NULL = none */
    const struct pair *metadata;        /* ends with {0}: {"http", "127.0.0.1:8010"} */
    struct workers *workers;
    struct metrics *metrics;
};

struct service;

struct service *service_start(struct ctx *ctx, struct bus *bus, const struct service_options *options);
/* Publishes tonearm.leave {"id"}, drains the subscriptions; requests under way are finished. */
void service_stop(struct service *service);
void service_destroy(struct service *service);

/* A reply's body: data by the table, not in the envelope of HTTP. */
struct response *reply(struct request *req, const struct field *fields, const void *data);
