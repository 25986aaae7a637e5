#pragma once
/*
 * The filters that the body of an answer goes through, one after the other.
 * A piece of at most a block at a time, so that no answer holds its loop up,
 * and nothing is copied between them.
 */
#include <stdbool.h>
#include <stddef.h>

struct body_filter {
    /*
     * Takes `size` bytes (at most FILTER_SLICE); `last`: no more come. What comes
     * out lies in the filter's own memory until the next call. false: broken.
     */
    bool (*take)(struct body_filter *self, const char *data, size_t size, bool last, const char **out,
                 size_t *out_size);
    void (*free)(struct body_filter *self);
};

enum { FILTER_SLICE = 32 * 1024, FILTERS_MAX = 4 };

enum flow_state {
    FLOW_OUT,    /* a piece is there, or the end */
    FLOW_HUNGRY, /* more must come first */
    FLOW_BROKEN,
};

struct flow;

/* Takes the filter: it is the next one on the way out. NULL as flow: the first. One too many is a mistake. */
struct flow *flow_add(struct flow *flow, struct body_filter *filter);
void flow_free(struct flow *flow);
/* `data` stays where it is until the flow is hungry again. Only to a hungry one. */
void flow_give(struct flow *flow, const char *data, size_t size, bool last);
/* The next piece; it stays until the next call. `*last`: nothing comes after it. */
enum flow_state flow_next(struct flow *flow, const char **out, size_t *size, bool *last);
