#pragma once
/* What the edge counts. The samples of a route are found once and then kept with it. */
#include "admin/kong_metrics.h"
#include "metrics/metrics.h"

#include <jansson.h>

struct edge_shared;
struct edge_metrics;
struct exchange;

/* Before the processes are forked: they count together. */
struct edge_metrics *edge_metrics_create(struct edge_shared *shared);
void edge_metrics_destroy(struct edge_metrics *metrics);
/* A request is over. */
void edge_metrics_request(struct edge_metrics *metrics, struct exchange *x);
/* {"bounds_us": [...], "requests": [[labels, count]], "latency": [[labels, [count of each bucket]]]} */
json_t *edge_metrics_json(const struct edge_metrics *metrics);
/* The same under Kong's names, as a row of its plugin asks for. */
void edge_metrics_kong(struct edge_metrics *metrics, const struct exchange *x,
                       const struct kong_metrics_wanted *wanted);
/* What is counted; Kong's names are there where `config` has its plugin. */
void edge_metrics_write(struct edge_metrics *metrics, const struct config *config, struct buf *out);
