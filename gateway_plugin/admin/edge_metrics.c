#include "admin/edge_metrics.h"

#include "process/edge.h"
#include "exchange/exchange.h"
#include "must.h"

#include <stdio.h>

/* A thousand routes, each with its statuses and histograms. What is not touched takes no memory. */
enum { ROOM = 64 << 20, SAMPLES_MAX = 16 << 10 };

struct edge_metrics {
    struct metrics *metrics;
    struct metric *requests, *latency;
    struct kong_metrics *kong;
    const struct edge_shared *shared;
};

/* Sums over all processes. */
#define SUM(name, member)                                                                                              \
    static int64_t name(void *self)                                                                                    \
    {                                                                                                                  \
        const struct edge_shared *shared = self;                                                                       \
        int64_t sum = 0;                                                                                               \
        for (size_t i = 0; i < shared->count; i++)                                                                     \
            sum += (int64_t)shared->slots[i].member;                                                                   \
        return sum;                                                                                                    \
    }

SUM(read_conns, limits.conns)
SUM(read_requests, limits.requests)
SUM(read_bodies, limits.bodies)
SUM(read_accepted, limits.accepted)
SUM(read_refused, limits.refused)
SUM(read_asked, keys.asked)
SUM(read_away, keys.away)
SUM(read_stale, keys.stale)
SUM(read_limits_reached, rate_limits.reached)
SUM(read_limits_unknown, rate_limits.unknown)
SUM(read_log_written, logs.written)
SUM(read_log_lost, logs.lost)
SUM(read_spans_sent, spans.sent)
SUM(read_spans_lost, spans.lost)
SUM(read_cache_hits, cache.hits)
SUM(read_cache_misses, cache.misses)
SUM(read_cache_stale, cache.stale)
SUM(read_cache_refreshed, cache.refreshed)
SUM(read_cache_bypassed, cache.bypassed)
SUM(read_cache_behind, cache.asked_behind)
SUM(read_cache_entries, cache.entries)
SUM(read_cache_bytes, cache.bytes)

static int64_t read_cache_common(void *self)
{
    struct shared_answers *kept = ((struct edge_shared *)self)->kept;
    return kept ? (int64_t)shared_answers_used(kept) : 0;
}

static int64_t read_bus(void *self)
{
    return edge_shared_total(self).bus_up;
}

static int64_t read_feed(void *self)
{
    return edge_shared_total(self).feed_whole;
}

static int64_t read_serving(void *self)
{
    return (int64_t)edge_shared_total(self).serving;
}

static int64_t read_deaths(void *self)
{
    return ((struct edge_shared *)self)->deaths;
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
    { "tonearm_edge_limits_reached", "Requests refused by rate-limiting", read_limits_reached },
    { "tonearm_edge_limits_unknown", "Requests of rate-limiting that Redis could not count in time",
      read_limits_unknown },
    { "tonearm_edge_access_log_lines", "Lines taken by the access log", read_log_written },
    { "tonearm_edge_access_log_lines_lost", "Lines that it had no room for, or could not write", read_log_lost },
    { "tonearm_edge_spans_sent", "Spans that a collector has taken", read_spans_sent },
    { "tonearm_edge_spans_lost", "Spans that there was no room for, or no collector", read_spans_lost },
    { "tonearm_edge_cache_hits", "Requests that proxy-cache answered by what it keeps", read_cache_hits },
    { "tonearm_edge_cache_misses", "Requests for what it did not keep", read_cache_misses },
    { "tonearm_edge_cache_stale", "Requests answered by what is too old, while it is asked for anew",
      read_cache_stale },
    { "tonearm_edge_cache_refreshed", "Requests for what it kept, but too old for them", read_cache_refreshed },
    { "tonearm_edge_cache_bypassed", "Requests that it had nothing to do with, or whose answers are not to be kept",
      read_cache_bypassed },
    { "tonearm_edge_cache_asked_behind", "Questions to members behind a client's back", read_cache_behind },
    { "tonearm_edge_cache_entries", "Answers that the processes keep, each its own", read_cache_entries },
    { "tonearm_edge_cache_bytes", "Bytes of these", read_cache_bytes },
    { "tonearm_edge_cache_common_bytes", "Bytes of those that are common to all processes", read_cache_common },
    { "tonearm_edge_processes", "Processes that serve", read_serving },
    { "tonearm_edge_processes_died", "Processes that died and were started again", read_deaths },
};

struct edge_metrics *edge_metrics_create(struct edge_shared *shared)
{
    struct edge_metrics *self = must(calloc(1, sizeof *self));
    self->metrics = metrics_create_shared(ROOM, SAMPLES_MAX);
    self->requests = metric_counter(self->metrics, "tonearm_edge_requests_total", "Requests by route and status",
                                    "route,status");
    self->latency = metric_histogram(
        self->metrics, "tonearm_edge_request_seconds",
        "From the request's end to the answer's; WebSocket and event streams are not counted", "route");
    self->kong = kong_metrics_create(self->metrics);
    self->shared = shared;
    for (size_t i = 0; i < sizeof watches / sizeof *watches; i++)
        metric_watch(self->metrics, watches[i].name, watches[i].help, watches[i].read, shared);
    return self;
}

void edge_metrics_destroy(struct edge_metrics *self)
{
    metrics_destroy(self->metrics);
    kong_metrics_destroy(self->kong);
    free(self);
}

static struct sample *find_sample(struct edge_metrics *self, const char *route, int status)
{
    char text[12];
    snprintf(text, sizeof text, "%d", status);
    return metric_sample(self->requests, route, text, NULL);
}

/* A stream lasts as long as somebody listens: that is no latency. */
static void count_latency(struct edge_metrics *self, struct exchange *x)
{
    if (x->events || x->req->res.status == 101)
        return;
    struct sample *sample = atomic_load_explicit(&x->route->latency, memory_order_acquire);
    if (!sample) {
        sample = metric_sample(self->latency, x->route->name, NULL);
        atomic_store_explicit(&x->route->latency, sample, memory_order_release);
    }
    sample_observe_us(sample, loop_now_us(x->loop) - x->begun_us);
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
    count_latency(self, x);
}

static json_t *buckets_json(const struct sample *sample)
{
    json_t *out = json_array();
    for (size_t i = 0; i <= sample_bounds(sample)->count; i++)
        json_array_append_new(out, json_integer(sample_bucket(sample, i)));
    return out;
}

json_t *edge_metrics_json(const struct edge_metrics *self)
{
    json_t *requests = json_array(), *latency = json_array(), *bounds = json_array();
    for (struct sample *one = NULL; (one = metric_next(self->requests, one));)
        json_array_append_new(requests, json_pack("[s,I]", sample_labels(one), (json_int_t)sample_value(one)));
    for (struct sample *one = NULL; (one = metric_next(self->latency, one));) {
        json_array_append_new(latency, json_pack("[s,o]", sample_labels(one), buckets_json(one)));
        const struct bounds *of = sample_bounds(one);
        for (size_t i = json_array_size(bounds); i < of->count; i++)
            json_array_append_new(bounds, json_integer(of->us[i]));
    }
    return json_pack("{s:o,s:o,s:o}", "bounds_us", bounds, "requests", requests, "latency", latency);
}

void edge_metrics_kong(struct edge_metrics *self, const struct exchange *x, const struct kong_metrics_wanted *wanted)
{
    kong_metrics_request(self->kong, x, wanted);
}

static int64_t all_requests(const struct edge_metrics *self)
{
    int64_t sum = 0;
    for (struct sample *one = NULL; (one = metric_next(self->requests, one));)
        sum += sample_value(one);
    return sum;
}

void edge_metrics_write(struct edge_metrics *self, const struct config *config, struct buf *out)
{
    bool kong = false, health = false;
    for (const struct kong_plugin *row = config->plugins; row; row = row->next)
        if (row->enabled && strcmp(row->plugin->name, "prometheus") == 0) {
            kong = true;
            health = health || ((const struct kong_metrics_wanted *)row->config)->health;
        }
    metrics_write(self->metrics, out);
    if (kong)
        kong_metrics_node(out, self->shared, all_requests(self));
    if (health)
        kong_metrics_health(out, config);
}
