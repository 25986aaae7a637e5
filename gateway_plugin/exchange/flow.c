#include "exchange/flow.h"

#include "must.h"

#include <stdlib.h>

/* A filter and what it has not taken yet: the caller's memory, or that of the filter before it. */
struct stage {
    struct body_filter *filter;
    const char *data;
    size_t size;
    bool last;  /* nothing comes after `data` */
    bool ended; /* and it has been told so */
};

struct flow {
    struct stage stages[FILTERS_MAX];
    size_t count;
};

struct flow *flow_add(struct flow *flow, struct body_filter *filter)
{
    if (!flow)
        flow = must(calloc(1, sizeof *flow));
    if (flow->count == FILTERS_MAX)
        abort();
    flow->stages[flow->count++].filter = filter;
    return flow;
}

void flow_free(struct flow *flow)
{
    if (!flow)
        return;
    for (size_t i = 0; i < flow->count; i++)
        flow->stages[i].filter->free(flow->stages[i].filter);
    free(flow);
}

void flow_give(struct flow *flow, const char *data, size_t size, bool last)
{
    struct stage *first = &flow->stages[0];
    first->data = data;
    first->size = size;
    first->last = last;
}

static bool has_work(const struct stage *stage)
{
    return stage->size || (stage->last && !stage->ended);
}

/* One slice through one filter. */
static bool work(struct stage *stage, const char **out, size_t *size)
{
    size_t slice = stage->size < FILTER_SLICE ? stage->size : FILTER_SLICE;
    const char *data = stage->data;
    stage->data += slice;
    stage->size -= slice;
    stage->ended = stage->last && !stage->size;
    return stage->filter->take(stage->filter, data, slice, stage->ended, out, size);
}

/* The one nearest to the client that has something to do: what comes out of it is wanted first. */
static struct stage *next_stage(struct flow *flow)
{
    for (size_t i = flow->count; i-- > 0;)
        if (has_work(&flow->stages[i]))
            return &flow->stages[i];
    return NULL;
}

enum flow_state flow_next(struct flow *flow, const char **out, size_t *size, bool *last)
{
    for (struct stage *stage; (stage = next_stage(flow));) {
        *out = NULL;
        *size = 0;
        if (!work(stage, out, size))
            return FLOW_BROKEN;
        *last = stage->ended;
        if (stage < &flow->stages[flow->count - 1]) {
            stage[1].data = *out;
            stage[1].size = *size;
            stage[1].last = stage->ended;
        } else if (*size || *last) {
            return FLOW_OUT;
        }
    }
    return FLOW_HUNGRY;
}
