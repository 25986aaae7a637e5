/*
 * Kong's prometheus: which of its metrics are counted for a route, under Kong's
 * names. The edge's own (tonearm_edge_*) are counted without it.
 */
#include "plugins/plugins.h"

#include "process/edge.h"
#include "admin/edge_metrics.h"
#include "exchange/exchange.h"

static const struct option options[] = {
    OPTION("per_consumer", OPTION_FLAG, struct kong_metrics_wanted, consumers),
    OPTION("status_code_metrics", OPTION_FLAG, struct kong_metrics_wanted, statuses),
    OPTION("latency_metrics", OPTION_FLAG, struct kong_metrics_wanted, latency),
    OPTION("bandwidth_metrics", OPTION_FLAG, struct kong_metrics_wanted, bandwidth),
    OPTION("upstream_health_metrics", OPTION_FLAG, struct kong_metrics_wanted, health),
    { .name = "ai_metrics",
      .kind = OPTION_FIXED,
      .only = "false",
      .instead = "the edge has no plugins for language models" },
    { .name = "wasm_metrics", .kind = OPTION_FIXED, .only = "false", .instead = "the edge runs no WebAssembly" },
    { 0 },
};

static void log_request(struct exchange *x, const void *config)
{
    edge_metrics_kong(x->loop->edge->metrics, x, config);
}

const struct plugin prometheus_plugin = {
    .name = "prometheus",
    .config_size = sizeof(struct kong_metrics_wanted),
    .options = options,
    .log = log_request,
};
