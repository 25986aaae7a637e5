#pragma once
/* One POST of spans to a collector. Blocks, within the target's limits; a second at most once the edge stops. */
#include "logs/otlp.h"

enum post_outcome {
    POST_TAKEN,
    POST_LATER,   /* nobody there, or too busy: it may be tried again */
    POST_REFUSED, /* it never will be taken */
};

struct post_result {
    enum post_outcome outcome;
    int64_t retry_after_ms; /* as the collector asks; 0: it does not */
    char why[128];
};

struct otlp_post;

struct otlp_post *otlp_post_create(const atomic_bool *stopping);
void otlp_post_destroy(struct otlp_post *post);
/* `spans`: JSON, by comma. */
void otlp_post_send(struct otlp_post *post, const struct otlp_target *target, const char *spans, size_t size,
                    struct post_result *result);
