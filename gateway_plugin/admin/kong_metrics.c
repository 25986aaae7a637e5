#include "admin/kong_metrics.h"

#include "member/balancer.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "metrics/metrics.h"
#include "must.h"

#include <arpa/inet.h>
#include <ctype.h>

/* Kong's buckets (kong/plugins/prometheus), and finer ones below: an edge adds a tenth of a millisecond, not one. */
static const int64_t own_us[] = { 50,    100,   250,   500,    1000,   2000,   5000,   7000,    10000,   15000,  20000,
                                  30000, 50000, 75000, 100000, 200000, 500000, 750000, 1000000, 3000000, 6000000 };
static const int64_t all_us[] = { 250,     500,     1000,     2000,     5000,    10000,  25000,
                                  50000,   80000,   100000,   250000,   400000,  700000, 1000000,
                                  2000000, 5000000, 10000000, 30000000, 60000000 };
static const struct bounds own_bounds = { own_us, sizeof own_us / sizeof *own_us, 1000 };
static const struct bounds all_bounds = { all_us, sizeof all_us / sizeof *all_us, 1000 };

static const char workspace[] = "default";

struct kong_metrics {
    struct metric *requests, *bandwidth;
    struct metric *own, *upstream, *total;
};

struct kong_metrics *kong_metrics_create(struct metrics *metrics)
{
    static const char of_route[] = "service,route,workspace";
    struct kong_metrics *self = must(calloc(1, sizeof *self));
    self->requests = metric_counter(metrics, "kong_http_requests_total", "Requests by service, route and status",
                                    "service,route,code,source,workspace,consumer");
    self->bandwidth = metric_counter(metrics, "kong_bandwidth_bytes",
                                     "Bytes of requests (ingress) and answers (egress), heads as HTTP/1.1 has them",
                                     "service,route,direction,workspace,consumer");
    self->own = metric_histogram_of(metrics, "kong_kong_latency_ms", "What the edge and its plugins took", of_route,
                                    &own_bounds);
    self->upstream = metric_histogram_of(metrics, "kong_upstream_latency_ms",
                                         "From asking a member to the head of its answer", of_route, &all_bounds);
    self->total = metric_histogram_of(metrics, "kong_request_latency_ms", "From the request's end to the answer's",
                                      of_route, &all_bounds);
    return self;
}

void kong_metrics_destroy(struct kong_metrics *self)
{
    free(self);
}

/* Heads */

static int64_t size_of_headers(const h2o_headers_t *headers)
{
    size_t size = 2;
    for (size_t i = 0; i < headers->size; i++)
        size += headers->entries[i].name->len + headers->entries[i].value.len + strlen(": \r\n");
    return (int64_t)size;
}

static int64_t bytes_in(const h2o_req_t *req)
{
    size_t line = req->input.method.len + req->input.path.len + strlen("  HTTP/1.1\r\n");
    size_t host = req->input.authority.len + strlen("host: \r\n");
    /* h2o keeps neither of these among the headers. */
    int length = req->entity.len ? snprintf(NULL, 0, "content-length: %zu\r\n", req->entity.len) : 0;
    return (int64_t)(line + host + (size_t)length + req->entity.len) + size_of_headers(&req->headers);
}

static int64_t bytes_out(const h2o_req_t *req)
{
    return (int64_t)(req->bytes_sent + strlen("HTTP/1.1 200 OK\r\n")) + size_of_headers(&req->res.headers);
}

/* Requests */

enum what { REQUESTS, INGRESS, EGRESS, OWN, UPSTREAM, TOTAL };

/* What a request is counted under. */
struct labels {
    enum what what;
    int status;      /* REQUESTS */
    bool by_service; /* REQUESTS: a member gave the answer */
    const char *consumer;
};

/*
 * Finding a sample by its labels takes longer than all else that a request
 * costs. Each loop remembers where it found them; one that is pushed out of its
 * place is found again.
 */
enum { PLACES = 1024 }; /* 54 bits less than 64 name one */

struct kong_memo {
    struct place {
        uint64_t generation, consumer; /* of the configuration; a hash */
        const struct kong_route *route;
        uint32_t labels;
        struct sample *sample;
    } places[PLACES];
};

static struct sample *find_sample(struct kong_metrics *self, const struct exchange *x, const struct labels *of)
{
    const char *service = x->route->service ? x->route->service->name : "", *route = x->route->name;
    char code[12];
    switch (of->what) {
    case REQUESTS:
        snprintf(code, sizeof code, "%d", of->status);
        return metric_sample(self->requests, service, route, code, of->by_service ? "service" : "kong", workspace,
                             of->consumer, NULL);
    case INGRESS:
    case EGRESS:
        return metric_sample(self->bandwidth, service, route, of->what == INGRESS ? "ingress" : "egress", workspace,
                             of->consumer, NULL);
    case OWN:
        return metric_sample(self->own, service, route, workspace, NULL);
    case UPSTREAM:
        return metric_sample(self->upstream, service, route, workspace, NULL);
    default:
        return metric_sample(self->total, service, route, workspace, NULL);
    }
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

static struct sample *sample_of(struct kong_metrics *self, const struct exchange *x, const struct labels *of)
{
    struct kong_memo **memo = &x->loop->kong_memo;
    if (!*memo)
        *memo = must(calloc(1, sizeof **memo));
    uint64_t consumer = hash_of(of->consumer);
    uint32_t labels = (uint32_t)of->what | (uint32_t)of->by_service << 4 | (uint32_t)of->status << 8;
    uint64_t mixed = ((uintptr_t)x->route / 64 + consumer + labels) * 0x9e3779b97f4a7c15u;
    struct place *place = &(*memo)->places[mixed >> 54];
    if (place->route != x->route || place->generation != x->config->generation || place->labels != labels ||
        place->consumer != consumer)
        *place = (struct place){ x->config->generation, consumer, x->route, labels, find_sample(self, x, of) };
    return place->sample;
}

static void count_latency(struct kong_metrics *self, const struct exchange *x)
{
    int64_t end = loop_now_us(x->loop), total = end - x->begun_us;
    bool asked = x->upstream_status && x->asked_us && x->head_us;
    int64_t own = asked ? x->asked_us - x->begun_us : total;
    sample_observe_us(sample_of(self, x, &(struct labels){ .what = OWN, .consumer = "" }), own);
    sample_observe_us(sample_of(self, x, &(struct labels){ .what = TOTAL, .consumer = "" }), total);
    if (asked)
        sample_observe_us(sample_of(self, x, &(struct labels){ .what = UPSTREAM, .consumer = "" }),
                          x->head_us - x->asked_us);
}

void kong_metrics_request(struct kong_metrics *self, const struct exchange *x, const struct kong_metrics_wanted *wanted)
{
    int status = x->req->res.status;
    bool stream = x->events || status == 101; /* lasts as long as somebody listens */
    struct labels of = { .what = REQUESTS, .status = status, .by_service = x->upstream_status, .consumer = "" };
    if (wanted->consumers && x->identity.name)
        of.consumer = x->identity.name;
    if (wanted->statuses)
        sample_add(sample_of(self, x, &of), 1);
    if (wanted->latency && !stream)
        count_latency(self, x);
    if (!wanted->bandwidth)
        return;
    struct labels in = { .what = INGRESS, .consumer = of.consumer }, out = { .what = EGRESS, .consumer = of.consumer };
    sample_add(sample_of(self, x, &in), bytes_in(x->req));
    sample_add(sample_of(self, x, &out), bytes_out(x->req));
}

/* The node */

static void put_head(struct buf *out, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

void kong_metrics_node(struct buf *out, const struct edge_shared *shared, int64_t requests)
{
    const char *node = shared->node_id;
    struct edge_total total = edge_shared_total(shared);
    int64_t conns = (int64_t)total.conns, busy = (int64_t)total.requests;
    const struct {
        const char *state;
        int64_t count;
    } states[] = { { "accepted", total.accepted },
                   { "handled", total.accepted },
                   { "active", conns },
                   { "writing", busy },
                   { "waiting", conns > busy ? conns - busy : 0 } };
    put_head(out, "kong_node_info", "The version of this node");
    buf_printf(out, "kong_node_info{node_id=\"%s\",version=\"%s\"} 1\n", node, TONEARM_VERSION);
    put_head(out, "kong_datastore_reachable", "Always 1: the configuration is a file");
    buf_text(out, "kong_datastore_reachable 1\n");
    put_head(out, "kong_nginx_connections_total", "Connections of clients by state");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        buf_printf(out, "kong_nginx_connections_total{node_id=\"%s\",subsystem=\"http\",state=\"%s\"} %lld\n", node,
                   states[i].state, (long long)states[i].count);
    put_head(out, "kong_nginx_requests_total", "Requests since the start");
    buf_printf(out, "kong_nginx_requests_total{node_id=\"%s\",subsystem=\"http\"} %lld\n", node, (long long)requests);
}

/* The members */

struct health_lines {
    struct buf *out;
    const struct kong_upstream *upstream;
    const char *target; /* of the file */
    size_t found;
};

static void put_state(const struct health_lines *lines, const char *target, const char *address, const char *state)
{
    static const char *const states[] = { "healthchecks_off", "healthy", "unhealthy", "dns_error" };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        buf_printf(lines->out,
                   "kong_upstream_target_health{upstream=\"%s\",target=\"%s\",address=\"%s\",state=\"%s\","
                   "subsystem=\"http\"} %d\n",
                   lines->upstream->name, target, address, states[i], strcasecmp(state, states[i]) == 0);
}

static void put_member(void *self, struct member *member, int64_t weight)
{
    struct health_lines *lines = self;
    const struct sockaddr_in *four = (const struct sockaddr_in *)&member->address.socket;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&member->address.socket;
    bool is_six = member->address.socket.ss_family == AF_INET6;
    char ip[INET6_ADDRSTRLEN] = "", address[INET6_ADDRSTRLEN + 10];
    if (strcmp(member->target, lines->target) != 0)
        return;
    inet_ntop(is_six ? AF_INET6 : AF_INET, is_six ? (const void *)&six->sin6_addr : &four->sin_addr, ip, sizeof ip);
    snprintf(address, sizeof address, is_six ? "[%s]:%d" : "%s:%d", ip,
             ntohs(is_six ? six->sin6_port : four->sin_port));
    put_state(lines, member->name, address, weight ? member_state(member) : "HEALTHCHECKS_OFF");
    lines->found++;
}

void kong_metrics_health(struct buf *out, const struct config *config)
{
    put_head(out, "kong_upstream_target_health", "1 for the state that a target's address is in");
    for (const struct kong_upstream *row = config->upstreams; row; row = row->next)
        for (const struct kong_target *target = row->targets; target; target = target->next) {
            struct health_lines lines = { .out = out, .upstream = row, .target = target->target };
            upstream_each(row->live, put_member, &lines);
            if (!lines.found)
                put_state(&lines, target->target, "", "DNS_ERROR");
        }
}
