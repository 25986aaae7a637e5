#pragma once
/* What the edge counts. The samples of a route are found once and then kept with it. */
#include "metrics/metrics.h"

struct edge;
struct edge_metrics;
struct exchange;

struct edge_metrics *edge_metrics_create(struct edge *edge);
void edge_metrics_destroy(struct edge_metrics *metrics);
/* A request is over. */
void edge_metrics_request(struct edge_metrics *metrics, struct exchange *x);
void edge_metrics_latency(struct edge_metrics *metrics, struct exchange *x);
void edge_metrics_write(struct edge_metrics *metrics, struct buf *out);
