#pragma once
/*
 * A request as a part of a trace (W3C Trace Context): its own span, and one for
 * what the service is asked. Who began the trace has decided whether it is
 * recorded; of those that begin here a part is (the target's `sampled`).
 */
#include "exchange/trace.h"

struct config;
struct exchange;
struct otlp_target;

struct tracing {
    const struct otlp_target *target; /* where spans go; NULL: nowhere */
    struct config *config;            /* that it lies in; NULL: it is the setting's */
    bool followed, wanted;            /* the trace is the caller's; who wants it recorded */
    char parent[SPAN_SIZE];           /* the caller's span */
    char asked[SPAN_SIZE];            /* the span of the service's part; empty: there is none */
};

/* From the request's headers: fills x->traceparent. A tracestate without a good traceparent is nobody's. */
void tracing_begin(struct exchange *x);
/* For a plugin: spans of this request go there. Before the service is asked. */
void tracing_choose(struct exchange *x, const struct otlp_target *target);
/* The service is about to be asked. */
void tracing_ask(struct exchange *x);
/* What the service is told: 55 bytes, as long as the request. */
const char *tracing_parent(const struct exchange *x, char out[TRACEPARENT_SIZE]);
/* The request is over. */
void tracing_end(struct exchange *x);
