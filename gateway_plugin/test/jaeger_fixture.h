#pragma once
/* Jaeger as a process, for tests: takes spans by OTLP/HTTP and answers questions about them. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct jaeger {
    pid_t pid;
    int otlp_port, query_port;
};

/* false: it has not been built (tools/servers/build jaeger needs Go). Waits until it is ready. */
bool jaeger_start(struct jaeger *jaeger);
/* It was stopped: on the same ports, and empty. */
void jaeger_again(struct jaeger *jaeger);
void jaeger_stop(struct jaeger *jaeger);
/* What Jaeger's API says of a trace, once it has so many spans; NULL: it never has. For json_decref(). */
json_t *jaeger_trace(const struct jaeger *jaeger, const char *trace_id, size_t spans);
/* A tag of a span (text, or digits); "": there is none. */
const char *jaeger_tag(json_t *span, const char *name);
/* The span of this kind ("server", "client"). */
json_t *jaeger_span(json_t *trace, const char *kind);
