#pragma once
/*
 * Spans on their way to a collector, by OTLP/HTTP in JSON. A loop writes the span
 * and leaves it in its lane (backlog.h); a thread gathers those for the same
 * target and posts them. Where a collector is away they wait, within bounds; then
 * they are lost and counted, and no request waits for them.
 */
#include "base/ctx.h"
#include "config/options.h"

#include <stdatomic.h>
#include <stdbool.h>

struct config;
struct edge;
struct loop;
struct otlp;

/* Where spans go, and how. */
struct otlp_target {
    const char *url; /* of traces; NULL: nowhere */
    struct named_texts headers;
    struct named_texts attributes; /* of the resource */
    const char *service;           /* the resource's name */
    int64_t sampled;               /* of a thousand traces that begin here */
    bool parent_decides;           /* of those that come sampled all are recorded, not just this part of them too */
    int64_t connect_ms, send_ms, read_ms;
    int64_t batch_max, entries_max, bytes_max;
    int64_t delay_ms;                                /* how long a batch gathers */
    int64_t retry_ms, retry_first_ms, retry_most_ms; /* for how long, and after which waits */
};

/* Kong's. */
extern const struct otlp_target otlp_target_defaults;

/* Of a process, in memory that the others read. */
struct span_counts {
    _Atomic int64_t sent, lost;
};

enum { OTLP_SPANS_MAX = 8192 }; /* bytes of the spans of one request */

struct otlp *otlp_create(struct edge *edge);
/* Once no loop uses it: sends what is left, for a second at most. */
void otlp_destroy(struct otlp *otlp);

/* On the loop's thread: room for OTLP_SPANS_MAX bytes of JSON, spans by comma; NULL: they are lost. */
char *otlp_reserve(struct otlp *otlp, struct loop *loop);
/* `target` lies in `config`, or lives as long as the process (then `config` is NULL). */
void otlp_commit(struct otlp *otlp, struct loop *loop, size_t size, size_t spans, const struct otlp_target *target,
                 struct config *config);
