#pragma once
/*
 * Upstreams and their members. Members come from the file and from discovery;
 * a set of them is immutable and replaced as a whole. Each loop picks for itself
 * (smooth weighted round robin), without a lock unless the set has changed.
 *
 * Passive health: a member that cannot be connected to, or whose answers fail,
 * so often in a row is left out for 1 s, doubling to 30 s; then one request tries
 * it. Where all are out, the one that has been out longest is tried: an outage
 * never empties a set.
 */
#include "config/config.h"

#include <netinet/in.h>

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* One of an upstream's servers. Counted; shared by all loops. */
struct member {
    atomic_size_t references;
    const char *name; /* HOST:PORT as it was given */
    const char *id;   /* of the instance, where discovery found it, else "" */
    struct address address;
    bool ours; /* found by NATS or tagged: it is shown the edge's secret */
    struct kong_health health;
    _Atomic int connect_failures, timeouts, failures; /* in a row */
    _Atomic int64_t out_until;                        /* on clock_ms(); 0: in */
    _Atomic int backoff_ms;
    _Atomic bool keeps; /* it keeps connections open after an answer */
    _Atomic int64_t requests, failed;
};

struct member *member_create(const char *name, const char *id, const struct address *address, bool ours,
                             const struct kong_health *health);
struct member *member_ref(struct member *member);
void member_unref(struct member *member);

enum outcome { OUTCOME_CONNECT_FAILED, OUTCOME_TIMED_OUT, OUTCOME_BROKEN, OUTCOME_STATUS };
/* `status`: of OUTCOME_STATUS */
void member_report(struct member *member, enum outcome outcome, int status, int64_t now_ms);
/* "HEALTHY", "UNHEALTHY" */
const char *member_state(const struct member *member, int64_t now_ms);

struct weighted {
    struct member *member;
    int64_t weight;
};

struct upstream;

struct upstream *upstream_create(const char *name, size_t loops);
/* Once no loop uses it any more. */
void upstream_destroy(struct upstream *upstream);
/* Takes the references. Members of the same name, id and address as an old one keep its health. */
void upstream_set(struct upstream *upstream, const struct weighted *members, size_t count);
/* Calls `each` on every member, under the upstream's lock. */
void upstream_each(struct upstream *upstream, void (*each)(void *self, struct member *member, int64_t weight),
                   void *self);

/* The next one, but for those in `tried`; NULL: there is none. With a reference. For loop number `loop`. */
struct member *upstream_pick(struct upstream *upstream, size_t loop, struct member *const *tried, size_t tried_count,
                             int64_t now_ms);
