#include "edge_metrics.h"

#include "base/clock.h"
#include "edge.h"
#include "exchange.h"
#include "key_cache.h"
#include "must.h"
#include "nats/feed.h"

#include <stdio.h>

struct edge_metrics {
    struct edge *edge;
    struct metrics *metrics;
    struct metric *requests, *latency;
};

static int64_t read_conns(void *self)
{
    return (int64_t)((struct edge *)self)->limits.conns;
}

static int64_t read_requests(void *self)
{
    return (int64_t)((struct edge *)self)->limits.requests;
}

static int64_t read_bodies(void *self)
{
    return ((struct edge *)self)->limits.bodies;
}

static int64_t read_accepted(void *self)
{
    return ((struct edge *)self)->limits.accepted;
}

static int64_t read_refused(void *self)
{
    return ((struct edge *)self)->limits.refused;
}

static int64_t read_bus(void *self)
{
    const struct edge *edge = self;
    return edge->bus && bus_up(edge->bus);
}

static int64_t read_feed(void *self)
{
    const struct edge *edge = self;
    return edge->feed && feed_whole(edge->feed);
}

static struct key_counts counts_of(void *self)
{
    const struct edge *edge = self;
    return edge->keys ? key_cache_counts(edge->keys) : (struct key_counts){ 0 };
}

static int64_t read_asked(void *self)
{
    return counts_of(self).asked;
}

static int64_t read_away(void *self)
{
    return counts_of(self).away;
}

static int64_t read_stale(void *self)
{
    return counts_of(self).stale;
}

static const struct {
    const char *name, *help;
    int64_t (*read)(void *self);
} watches[] = {
    { "tonearm_edge_connections", "Connections of clients that are open", read_conns },
    { "tonearm_edge_requests_under_way", "Requests being answered", read_requests },
    { "tonearm_edge_body_bytes", "Bytes of request bodies that are held", read_bodies },
    { "tonearm_edge_connections_accepted", "Connections taken since the start", read_accepted },
    { "tonearm_edge_refused", "Requests and connections refused before they were parsed", read_refused },
    { "tonearm_edge_nats_up", "1 while NATS is connected", read_bus },
    { "tonearm_edge_feed_whole", "1 while no revocation can have been missed", read_feed },
    { "tonearm_edge_keys_asked", "Questions about API keys sent to auth", read_asked },
    { "tonearm_edge_keys_unanswered", "Of these, how many had no answer", read_away },
    { "tonearm_edge_keys_served_on", "Requests let in by a key whose check is overdue, because auth is away",
      read_stale },
};

struct edge_metrics *edge_metrics_create(struct edge *edge)
{
    struct edge_metrics *self = must(calloc(1, sizeof *self));
    self->edge = edge;
    self->metrics = metrics_create();
    self->requests = metric_counter(self->metrics, "tonearm_edge_requests_total", "Requests by route and status",
                                    "route,status");
    self->latency = metric_histogram(self->metrics, "tonearm_edge_request_seconds",
                                     "From the request's end to the answer's", "route");
    for (size_t i = 0; i < sizeof watches / sizeof *watches; i++)
        metric_watch(self->metrics, watches[i].name, watches[i].help, watches[i].read, edge);
    return self;
}

void edge_metrics_destroy(struct edge_metrics *self)
{
    if (!self)
        return;
    metrics_destroy(self->metrics);
    free(self);
}

static struct sample *find_sample(struct edge_metrics *self, const char *route, int status)
{
    char text[12];
    snprintf(text, sizeof text, "%d", status);
    return metric_sample(self->requests, route, text, NULL);
}

void edge_metrics_request(struct edge_metrics *self, struct exchange *x)
{
    int status = x->req->res.status;
    if (!x->route || status < 0 || status >= STATUS_MAX) {
        sample_add(find_sample(self, "none", status), 1);
        return;
    }
    struct sample *sample = atomic_load_explicit(&x->route->by_status[status], memory_order_acquire);
    if (!sample) {
        sample = find_sample(self, x->route->name, status);
        atomic_store_explicit(&x->route->by_status[status], sample, memory_order_release);
    }
    sample_add(sample, 1);
}

void edge_metrics_latency(struct edge_metrics *self, struct exchange *x)
{
    struct sample *sample = atomic_load_explicit(&x->route->latency, memory_order_acquire);
    if (!sample) {
        sample = metric_sample(self->latency, x->route->name, NULL);
        atomic_store_explicit(&x->route->latency, sample, memory_order_release);
    }
    sample_observe_us(sample, clock_us() - x->begun_us);
}

void edge_metrics_write(struct edge_metrics *self, struct buf *out)
{
    metrics_write(self->metrics, out);
}
