#pragma once
/*
 * A server of an upstream, and whether requests are sent to it.
 *
 * Passive checks: a member that cannot be connected to, or whose answers fail,
 * so often in a row is left out for 1 s, doubling to 30 s; then one request tries
 * it, until as many as are asked for have gone well. Active checks: probes of the
 * edge's own (checker.h); where they can bring a member back, nothing else does.
 * The operator's word holds until he, or a probe, says otherwise.
 */
#include "config/upstreams.h"
#include "member/vitals.h"

#include <stddef.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* Values of vitals.out_until that are no time. */
#define OUT_WAITING (INT64_MAX - 1) /* until a probe goes well, or the operator says so; asked where all are out */
#define OUT_HELD INT64_MAX          /* the operator's: not asked at all */

/* Counted; shared by all loops. */
struct member {
    atomic_size_t references;
    const char *name;   /* HOST:PORT as it was given */
    const char *id;     /* of the instance, where discovery found it, else "" */
    const char *host;   /* of the name, without the port */
    const char *target; /* of the file: what it was found by */
    struct address address;
    bool ours; /* found by NATS or tagged: it is shown the edge's secret */
    struct checks checks;
    struct vitals *vitals; /* shared, or `own` */
    struct vitals *own;
    _Atomic bool left;        /* no upstream has it any more: its connections are not kept */
    _Atomic bool keeps;       /* it keeps connections open after an answer */
    _Atomic int active;       /* requests and tunnels under way, of this process */
    _Atomic int64_t spent_us; /* how long answers take to begin: a mean that forgets; 0: not known */
    _Atomic int64_t spent_at; /* when that was, on clock_ms() */
};

struct member_spec {
    const char *name, *id, *target;
    const struct address *address;
    bool ours;
    const struct checks *checks;
    struct vitals *vitals; /* NULL: a place of its own */
};

struct member *member_create(const struct member_spec *spec);
struct member *member_ref(struct member *member);
void member_unref(struct member *member);
/* The same server under the same name; it may be judged in another way. */
bool member_same(const struct member *a, const struct member *b);

enum outcome { OUTCOME_CONNECT_FAILED, OUTCOME_TIMED_OUT, OUTCOME_BROKEN, OUTCOME_STATUS };
/* What a request met; `status`: of OUTCOME_STATUS. `lane`: of whoever says so. */
void member_report(struct member *member, enum outcome outcome, int status, size_t lane, int64_t now_ms);
/* What a probe met; a good one that asks for no status says 0. */
void member_probed(struct member *member, enum outcome outcome, int status, int64_t now_ms);
/* The operator's word. */
void member_hold(struct member *member, bool healthy, int64_t now_ms);
/* An answer began so long after it was asked for. */
void member_spent(struct member *member, int64_t us, int64_t now_ms);

/* May it be asked? One that was left out may be tried, by one request at a time: then member_try() says whether it is
 * this one. */
bool member_usable(const struct member *member, int64_t now_ms);
bool member_try(struct member *member, int64_t now_ms);
/* "HEALTHY", "UNHEALTHY", "HEALTHCHECKS_OFF", as Kong says it. */
const char *member_state(const struct member *member);
/* Sums of its lanes. */
int64_t member_requests(const struct member *member);
int64_t member_failed(const struct member *member);
