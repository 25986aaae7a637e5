/* Kong's prometheus: how long the requests of a route take. Their number is counted without it. */
#include "plugins/plugins.h"

#include "edge.h"
#include "edge_metrics.h"
#include "exchange.h"

static const struct option options[] = {
    { .name = "per_consumer", .kind = OPTION_FIXED, .only = "false" },
    { .name = "status_code_metrics", .kind = OPTION_NOTE },
    { .name = "latency_metrics", .kind = OPTION_FIXED, .only = "true" },
    { .name = "upstream_health_metrics", .kind = OPTION_NOTE },
    { .name = "bandwidth_metrics", .kind = OPTION_FIXED, .only = "false" },
    { 0 },
};

static void log_latency(struct exchange *x, const void *config)
{
    (void)config;
    edge_metrics_latency(x->loop->edge->metrics, x);
}

const struct plugin prometheus_plugin = { .name = "prometheus", .options = options, .log = log_latency };
