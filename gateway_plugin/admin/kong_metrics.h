#pragma once
/* The metrics of Kong's prometheus plugin (3.x), by its names and labels, so that dashboards made for it go on. */
#include "base/buf.h"
#include "config/config.h"

#include <stdbool.h>

struct edge_shared;
struct exchange;
struct kong_metrics;
struct metrics;

/* What a row of the plugin asks for. */
struct kong_metrics_wanted {
    bool consumers, statuses, latency, bandwidth, health;
};

/* Before the processes are forked. */
struct kong_metrics *kong_metrics_create(struct metrics *metrics);
void kong_metrics_destroy(struct kong_metrics *metrics);
/* A request that had a route is over. */
void kong_metrics_request(struct kong_metrics *metrics, const struct exchange *x,
                          const struct kong_metrics_wanted *wanted);
/* What is not counted but looked at: the node, and the members' health where `health`. */
void kong_metrics_node(struct buf *out, const struct edge_shared *shared, int64_t requests);
void kong_metrics_health(struct buf *out, const struct config *config);
