#include "logs/tracing.h"

#include "process/edge.h"
#include "exchange/exchange.h"
#include "logs/otlp.h"
#include "logs/spans.h"

#include <string.h>

static bool is_named(const h2o_header_t *header, const char *name, size_t size)
{
    return header->name->len == size && memcmp(header->name->base, name, size) == 0;
}

/* NULL: there is no good one, or there are two. */
static const char *find_parent(const h2o_headers_t *headers, bool *state)
{
    const char *parent = NULL;
    size_t count = 0;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (is_named(header, "tracestate", 10))
            *state = true;
        if (!is_named(header, "traceparent", 11) || count++ || !edge_trace_valid(header->value.base, header->value.len))
            continue;
        parent = header->value.base;
    }
    return count == 1 ? parent : NULL;
}

static void drop_state(h2o_headers_t *headers)
{
    for (ssize_t i = 0; i < (ssize_t)headers->size;)
        i = is_named(&headers->entries[i], "tracestate", 10) ? h2o_delete_header(headers, i) : i + 1;
}

/* A number below 1,000 that follows from the trace's id: whoever is asked about it says the same. */
static int64_t lot(const struct exchange *x)
{
    int64_t out = 0;
    for (const char *c = x->traceparent + TRACE_AT + TRACE_SIZE - 8; c < x->traceparent + TRACE_AT + TRACE_SIZE; c++)
        out = out * 16 + (*c <= '9' ? *c - '0' : *c - 'a' + 10);
    return out % 1000;
}

static void sample(struct exchange *x)
{
    const struct otlp_target *target = x->tracing.target;
    bool wanted = !x->tracing.followed || x->tracing.wanted;
    if (!x->tracing.followed || !target->parent_decides)
        wanted = wanted && lot(x) < target->sampled;
    edge_trace_set_sampled(x->traceparent, wanted);
}

void tracing_begin(struct exchange *x)
{
    struct loop *loop = x->loop;
    bool state = false;
    const char *parent = find_parent(&x->req->headers, &state);
    if (parent) {
        x->tracing.followed = true;
        memcpy(x->tracing.parent, parent + SPAN_AT, SPAN_SIZE);
    } else if (state) {
        drop_state(&x->req->headers);
    }
    edge_trace_make(x->traceparent, parent, parent ? 0 : loop_random(loop), parent ? 0 : loop_random(loop),
                    loop_random(loop));
    x->tracing.wanted = parent && edge_trace_sampled(x->traceparent);
    if (!loop->edge->traces.url)
        return;
    x->tracing.target = &loop->edge->traces;
    sample(x);
}

void tracing_choose(struct exchange *x, const struct otlp_target *target)
{
    x->tracing.target = target;
    x->tracing.config = x->config;
    sample(x);
}

static bool recorded(const struct exchange *x)
{
    return x->tracing.target && edge_trace_sampled(x->traceparent);
}

void tracing_ask(struct exchange *x)
{
    if (recorded(x))
        edge_span_make(x->tracing.asked, loop_random(x->loop));
}

const char *tracing_parent(const struct exchange *x, char out[TRACEPARENT_SIZE])
{
    if (!x->tracing.asked[0])
        return x->traceparent;
    memcpy(out, x->traceparent, TRACEPARENT_SIZE);
    memcpy(out + SPAN_AT, x->tracing.asked, SPAN_SIZE);
    return out;
}

void tracing_end(struct exchange *x)
{
    struct otlp *otlp = x->loop->edge->otlp;
    char *room = recorded(x) ? otlp_reserve(otlp, x->loop) : NULL;
    if (room)
        otlp_commit(otlp, x->loop, spans_write(x, room, OTLP_SPANS_MAX), x->tracing.asked[0] ? 2 : 1, x->tracing.target,
                    x->tracing.config);
}
