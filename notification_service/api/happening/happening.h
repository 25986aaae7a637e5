#pragma once
/* What happened, as the stream EVENTS tells it: counted by type, logged by id. Mail will be a second consumer of the
 * same stream. */
#include "metrics/metrics.h"
#include "nats/consumer.h"

struct happening {
    struct metric *events; /* tonearm_notify_events_total{type} */
    struct metric *delay;  /* from the write to this handler */
};

void happening_init(struct happening *happening, struct metrics *metrics);

/* consumer_options.handle; on the consumer's thread. Counting twice what is delivered twice is allowed here: it is a
 * count of deliveries. */
bool happening_handle(struct ctx *ctx, void *happening, const struct consumed *event);
