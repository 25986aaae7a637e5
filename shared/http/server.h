#pragma once
/*
 * The HTTP server on libh2o-evloop: N loop threads in front, a bounded pool of
 * workers behind. The loop copies a request into a job's arena; a worker runs
 * the handler; the loop sends the answer. Only the loop knows the h2o_req_t; a
 * client that vanishes marks its job gone and leaves nothing behind. A write
 * that has begun is finished. Full queue: 503 with Retry-After.
 * The server answers /health, /ready and /metrics itself.
 */
#include "base/settings.h"
#include "base/workers.h"
#include "http/route.h"
#include "metrics/metrics.h"

struct server;

struct mount {
    const struct route *routes; /* ends with {0} */
    const void *service;        /* req->service */
};

/* A dependency for /ready: true = there. Any thread, must not block for long (1 s). */
struct dependency {
    const char *name;
    bool (*check)(struct ctx *ctx, void *self);
    void *self;
    bool optional; /* told, but ready without it */
};

struct server_options {
    const char *process;              /* "auth": in metrics and logs */
    const char *listen;               /* ADDR:PORT, several by comma; port 0 = any free one */
    size_t loops;                     /* 0 = one for each core, at most 4 */
    int64_t deadline_ms;              /* of a request: 5,000 */
    size_t connections;               /* at once, of all loops; more wait in the kernel's queue. 0 = 10,000 */
    int64_t head_ms;                  /* for the head of a request; 0 = 10,000 */
    int64_t stall_ms;                 /* without a byte: idle, in a body; 0 = 30,000 */
    int64_t take_ms;                  /* for an answer that nobody takes; 0 = 90,000 */
    size_t body_max;                  /* the largest of all routes; bodies over 1 MiB are spooled to files */
    const char *spool_dir;            /* for body_to_file; NULL where no route has it */
    const struct secret *edge_secret; /* proves the edge (header x-tonearm-edge); then its X-Forwarded-*, X-Consumer-*
                                         and key check are believed */
    const char *trusted_proxies;      /* CIDRs by comma: X-Forwarded-For is believed from them (TRUSTED_PROXIES) */
    const struct mount *mounts;       /* ends with {0} */
    const struct dependency *dependencies; /* ends with {0} */
    const struct authority *authority;     /* NULL: no route asks for key or token */
    struct workers *workers;
    struct workers *heavy; /* for routes that say .heavy (their LANE_HTTP); NULL: workers takes them too */
    struct metrics *metrics;
};

/* Binds and starts the loops. Fails with the address that is in use. Options are kept. */
struct server *server_start(struct ctx *ctx, const struct server_options *options);
/* "127.0.0.1:8010": the first address it listens on, with the real port. */
const char *server_address(const struct server *server);
/* Closes listeners, GOAWAY, lets requests finish for up to timeout_ms. */
void server_stop(struct server *server, int timeout_ms);
/* Waits for requests that are still with a worker: stop it before the workers end, destroy it after. */
void server_destroy(struct server *server);

/* Drops the kept answers of routes with this .cache name; any thread. A fill that began before is dropped too. */
void answers_drop(struct server *server, const char *cache);
