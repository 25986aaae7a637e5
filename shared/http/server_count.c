#include "http/server_parts.h"

#include "http/status.h"

#include <stdio.h>

/* The samples of a row, found once: the hot path is an atomic add. */
struct row_counts {
    _Atomic(struct sample *) requests[METHODS][HTTP_STATUSES_MAX];
    struct sample *seconds;
};

static int64_t read_connections(void *self)
{
    struct server *server = self;
    return atomic_load(&server->connections);
}

static int64_t read_queue(void *self)
{
    const struct server *server = self;
    return (int64_t)workers_waiting(server->options.workers, LANE_HTTP);
}

static const char *route_label(const struct server *server, const struct row *row)
{
    size_t index = (size_t)(row - server->rows);
    return index == server->route_count ? "none" : server->routes[index].path;
}

void counts_start(struct server *server)
{
    struct metrics *metrics = server->options.metrics;
    server->requests = metric_counter(metrics, "tonearm_http_requests_total", "Requests answered",
                                      "method,route,status");
    server->seconds = metric_histogram(metrics, "tonearm_http_request_seconds",
                                       "From the head of a request to its answer", "route");
    metric_watch(metrics, "tonearm_http_connections", "Open connections", read_connections, server);
    metric_watch(metrics, "tonearm_http_queue", "Requests that wait for a worker", read_queue, server);
    for (size_t i = 0; i <= server->route_count; i++) {
        struct row *row = &server->rows[i];
        row->counts = arena_new(&server->ctx.arena, struct row_counts);
        row->counts->seconds = metric_sample(server->seconds, route_label(server, row), NULL);
    }
}

static struct sample *requests_sample(struct server *server, struct row *row, enum method method, int status)
{
    _Atomic(struct sample *) *slot = &row->counts->requests[method][http_status_index(status)];
    struct sample *sample = atomic_load_explicit(slot, memory_order_acquire);
    if (sample)
        return sample;
    char text[8];
    snprintf(text, sizeof text, "%d", status);
    sample = metric_sample(server->requests, method_name(method), route_label(server, row), text, NULL);
    atomic_store_explicit(slot, sample, memory_order_release);
    return sample;
}

void count_request(struct server *server, struct row *row, enum method method, int status, int64_t microseconds)
{
    sample_add(requests_sample(server, row, method, status), 1);
    sample_observe_us(row->counts->seconds, microseconds);
}
