#include "edge_admin.h"

#include "answer.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "conn.h"
#include "edge.h"
#include "edge_metrics.h"
#include "balancer.h"
#include "nats/feed.h"
#include "trace.h"

#include <jansson.h>

/* A request to the admin's side. All is done when the handler returns. */
struct admin {
    struct edge *edge;
    h2o_req_t *req;
    struct arena arena;
    struct config *config;
    struct buf out;
    const char *type;
    const char *name; /* {name} of the path */
    size_t name_size;
    int status;
};

static void put_pair(struct buf *out, const char *name, const char *value, bool last)
{
    buf_printf(out, "\"%s\":", name);
    buf_json(out, value);
    if (!last)
        buf_char(out, ',');
}

static void put_texts(struct buf *out, const char *name, const struct texts *texts)
{
    buf_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < texts->count; i++) {
        if (i)
            buf_char(out, ',');
        buf_json(out, texts->items[i]);
    }
    buf_text(out, "],");
}

static void put_flag(struct buf *out, const char *name, bool value, bool last)
{
    buf_printf(out, "\"%s\":%s%s", name, value ? "true" : "false", last ? "" : ",");
}

static void next_item(struct buf *out, bool *first)
{
    if (!*first)
        buf_char(out, ',');
    *first = false;
}

static void get_status(struct admin *admin)
{
    const struct limits *limits = &admin->edge->limits;
    buf_printf(&admin->out,
               "{\"server\":{\"connections_active\":%zu,\"connections_accepted\":%lld,\"requests_under_way\":%zu,",
               (size_t)limits->conns, (long long)limits->accepted, (size_t)limits->requests);
    buf_printf(&admin->out, "\"uptime_s\":%lld},", (long long)(clock_now_ms() - admin->edge->started_ms) / 1000);
    buf_text(&admin->out, "\"nats\":{");
    put_flag(&admin->out, "configured", admin->edge->bus, false);
    put_flag(&admin->out, "connected", admin->edge->bus && bus_up(admin->edge->bus), false);
    put_flag(&admin->out, "feed_whole", admin->edge->feed && feed_whole(admin->edge->feed), true);
    buf_text(&admin->out, "},\"configuration\":{");
    put_pair(&admin->out, "file", admin->config->file, true);
    buf_text(&admin->out, "},");
    put_pair(&admin->out, "version", TONEARM_VERSION, true);
    buf_char(&admin->out, '}');
}

static void get_services(struct admin *admin)
{
    struct buf *out = &admin->out;
    bool first = true;
    buf_text(out, "{\"data\":[");
    for (const struct kong_service *service = admin->config->services; service; service = service->next) {
        next_item(out, &first);
        buf_char(out, '{');
        put_pair(out, "name", service->name, false);
        put_pair(out, "protocol", "http", false);
        put_pair(out, "host", service->host, false);
        put_pair(out, "path", service->path, false);
        put_texts(out, "tags", &service->tags);
        put_flag(out, "enabled", service->enabled, false);
        buf_printf(
            out,
            "\"port\":%lld,\"retries\":%lld,\"connect_timeout\":%lld,\"write_timeout\":%lld,\"read_timeout\":%lld}",
            (long long)service->port, (long long)service->retries, (long long)service->connect_timeout,
            (long long)service->write_timeout, (long long)service->read_timeout);
    }
    buf_text(out, "],\"next\":null}");
}

static void get_routes(struct admin *admin)
{
    struct buf *out = &admin->out;
    bool first = true;
    buf_text(out, "{\"data\":[");
    for (const struct kong_route *route = admin->config->routes; route; route = route->next) {
        next_item(out, &first);
        buf_char(out, '{');
        put_pair(out, "name", route->name, false);
        buf_text(out, "\"service\":{");
        put_pair(out, "name", route->service_name, true);
        buf_text(out, "},");
        put_texts(out, "paths", &route->paths);
        put_texts(out, "methods", &route->method_names);
        put_texts(out, "tags", &route->tags);
        put_flag(out, "strip_path", route->strip_path, false);
        put_flag(out, "preserve_host", route->preserve_host, true);
        buf_char(out, '}');
    }
    buf_text(out, "],\"next\":null}");
}

static void put_reference(struct buf *out, const char *field, const char *name)
{
    buf_printf(out, "\"%s\":", field);
    if (!name) {
        buf_text(out, "null,");
        return;
    }
    buf_char(out, '{');
    put_pair(out, "name", name, true);
    buf_text(out, "},");
}

static void get_plugins(struct admin *admin)
{
    struct buf *out = &admin->out;
    bool first = true;
    buf_text(out, "{\"data\":[");
    for (const struct kong_plugin *row = admin->config->plugins; row; row = row->next) {
        next_item(out, &first);
        buf_char(out, '{');
        put_pair(out, "name", row->plugin->name, false);
        put_reference(out, "service", row->service_name);
        put_reference(out, "route", row->route_name);
        put_texts(out, "tags", &row->tags);
        put_flag(out, "enabled", row->enabled, true);
        buf_char(out, '}');
    }
    buf_text(out, "],\"next\":null}");
}

static void get_upstreams(struct admin *admin)
{
    struct buf *out = &admin->out;
    bool first = true;
    buf_text(out, "{\"data\":[");
    for (const struct kong_upstream *upstream = admin->config->upstreams; upstream; upstream = upstream->next) {
        next_item(out, &first);
        buf_char(out, '{');
        put_pair(out, "name", upstream->name, false);
        put_pair(out, "algorithm", "round-robin", true);
        buf_char(out, '}');
    }
    buf_text(out, "],\"next\":null}");
}

struct health_page {
    struct buf *out;
    bool first;
};

static void put_member(void *self, struct member *member, int64_t weight)
{
    struct health_page *page = self;
    next_item(page->out, &page->first);
    buf_char(page->out, '{');
    put_pair(page->out, "target", member->name, false);
    put_pair(page->out, "id", member->id, false);
    put_pair(page->out, "health", weight ? member_state(member, clock_ms()) : "HEALTHCHECKS_OFF", false);
    buf_printf(page->out, "\"weight\":%lld,\"requests\":%lld,\"failures\":%lld}", (long long)weight,
               (long long)member->requests, (long long)member->failed);
}

static void get_health(struct admin *admin)
{
    struct health_page page = { &admin->out, true };
    const struct kong_upstream *upstream = admin->config->upstreams;
    while (upstream &&
           (strlen(upstream->name) != admin->name_size || memcmp(upstream->name, admin->name, admin->name_size) != 0))
        upstream = upstream->next;
    if (!upstream) {
        admin->status = 404;
        buf_text(&admin->out, "{\"message\":\"no such upstream\"}");
        return;
    }
    buf_text(&admin->out, "{\"data\":[");
    upstream_each(upstream->live, put_member, &page);
    buf_text(&admin->out, "],\"next\":null}");
}

static void get_config(struct admin *admin)
{
    buf_text(&admin->out, "{\"config\":");
    buf_json(&admin->out, admin->config->text);
    buf_char(&admin->out, '}');
}

static void get_metrics(struct admin *admin)
{
    admin->type = "text/plain; version=0.0.4; charset=utf-8";
    edge_metrics_write(admin->edge->metrics, &admin->out);
}

static void get_health_of_edge(struct admin *admin)
{
    buf_text(&admin->out, "{\"code\":\"10000\",\"status\":200,\"message\":\"success\",\"data\":{\"status\":\"OK\"}}");
}

static void get_ready(struct admin *admin)
{
    const struct edge *edge = admin->edge;
    bool bus = !edge->bus || bus_up(edge->bus), feed = !edge->feed || feed_whole(edge->feed);
    admin->status = bus && feed ? 200 : 503;
    buf_printf(&admin->out, "{\"code\":\"%s\",\"status\":%d,\"message\":\"%s\",\"data\":{",
               bus && feed ? "10000" : "10001", admin->status, bus && feed ? "ready" : "not ready");
    put_flag(&admin->out, "nats", bus, false);
    put_flag(&admin->out, "feed", feed, true);
    buf_text(&admin->out, "}}");
}

/* POST /config: the file itself, {"config": "..."}, or a form with it, as Kong's clients send it. */

static const char *header_value(const h2o_req_t *req, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(&req->headers, token, -1);
    return at < 0 ? ""
                  : h2o_strdup((h2o_mem_pool_t *)&req->pool, req->headers.entries[at].value.base,
                               req->headers.entries[at].value.len)
                        .base;
}

static h2o_iovec_t from_form(h2o_iovec_t body)
{
    /* --boundary CRLF headers CRLF CRLF content CRLF --boundary */
    const char *end = body.base + body.len, *line = memchr(body.base, '\r', body.len);
    size_t boundary = line ? (size_t)(line - body.base) : 0;
    const char *start = boundary > 2 ? memmem(line, (size_t)(end - line), "\r\n\r\n", 4) : NULL;
    if (!start)
        return h2o_iovec_init(NULL, 0);
    start += 4;
    for (const char *at = start; (at = memmem(at, (size_t)(end - at), "\r\n", 2)); at += 2)
        if ((size_t)(end - at) >= boundary + 2 && memcmp(at + 2, body.base, boundary) == 0)
            return h2o_iovec_init(start, (size_t)(at - start));
    return h2o_iovec_init(NULL, 0);
}

static h2o_iovec_t posted_text(struct admin *admin)
{
    const char *type = header_value(admin->req, H2O_TOKEN_CONTENT_TYPE);
    h2o_iovec_t body = admin->req->entity;
    if (strncasecmp(type, "multipart/form-data", 19) == 0)
        return from_form(body);
    if (strncasecmp(type, "application/json", 16) != 0)
        return body;
    _cleanup_(json_decrefp) json_t *json = json_loadb(body.base, body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(json, "config"));
    /* A declarative file written as JSON is one too. */
    return text ? h2o_strdup(&admin->req->pool, text, strlen(text)) : body;
}

static void put_faults(struct admin *admin, const struct faults *faults)
{
    admin->status = 400;
    buf_text(&admin->out, "{\"code\":\"10001\",\"status\":400,\"message\":\"the configuration has faults: the one "
                          "before it stays\",\"errors\":[");
    bool first = true;
    for (const struct fault *one = faults->first; one; one = one->next) {
        next_item(&admin->out, &first);
        buf_printf(&admin->out, "{\"line\":%d,", one->line);
        put_pair(&admin->out, "field", one->field, false);
        put_pair(&admin->out, "message", one->reason, true);
        buf_char(&admin->out, '}');
    }
    buf_text(&admin->out, "]}");
}

static void post_config(struct admin *admin)
{
    /* A page in the operator's browser could post here; only browsers say Origin. */
    if (h2o_find_header_by_str(&admin->req->headers, H2O_STRLIT("origin"), -1) >= 0) {
        admin->status = 403;
        buf_text(&admin->out, "{\"message\":\"not from a page\"}");
        return;
    }
    struct faults faults = FAULTS(&admin->arena, "POST /config");
    h2o_iovec_t text = posted_text(admin);
    struct config *config = config_read(&faults, text.base ? text.base : "", text.len);
    if (!config) {
        put_faults(admin, &faults);
        return;
    }
    edge_use(admin->edge, config);
    config_unref(config);
    admin->status = 201;
    buf_text(&admin->out, "{\"message\":\"the configuration is in use\"}");
}

static const struct {
    const char *method, *path; /* a * stands for one segment */
    void (*handle)(struct admin *admin);
} rows[] = {
    { "GET", "/status", get_status },       { "GET", "/services", get_services },
    { "GET", "/routes", get_routes },       { "GET", "/plugins", get_plugins },
    { "GET", "/upstreams", get_upstreams }, { "GET", "/upstreams/*/health", get_health },
    { "GET", "/config", get_config },       { "POST", "/config", post_config },
    { "GET", "/metrics", get_metrics },     { "GET", "/health", get_health_of_edge },
    { "GET", "/ready", get_ready },
};

static bool path_matches(struct admin *admin, const char *pattern, const char *path, size_t size)
{
    const char *end = path + size;
    for (; *pattern && path < end; pattern++) {
        if (*pattern != '*') {
            if (*pattern != *path++)
                return false;
            continue;
        }
        admin->name = path;
        while (path < end && *path != '/')
            path++;
        admin->name_size = (size_t)(path - admin->name);
    }
    return !*pattern && path == end;
}

static void dispatch(struct admin *admin)
{
    const h2o_req_t *req = admin->req;
    size_t size = req->query_at == SIZE_MAX ? req->path.len : req->query_at;
    bool known = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!path_matches(admin, rows[i].path, req->path.base, size))
            continue;
        known = true;
        if (h2o_memis(req->method.base, req->method.len, rows[i].method, strlen(rows[i].method))) {
            rows[i].handle(admin);
            return;
        }
    }
    admin->status = known ? 405 : 404;
    buf_printf(&admin->out, "{\"message\":\"%s\"}", known ? "not with this method" : "nothing is here");
}

int edge_admin_on_req(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    static h2o_generator_t generator = { NULL, NULL };
    struct loop *loop = (struct loop *)req->conn->ctx;
    struct admin admin = {
        .edge = loop->edge, .req = req, .status = 200, .type = "application/json", .config = edge_config(loop->edge)
    };
    admin.out = BUF(&admin.arena);
    dispatch(&admin);
    h2o_iovec_t body = h2o_strdup(&req->pool, admin.out.data ? admin.out.data : "", admin.out.size);
    req->res.status = admin.status;
    req->res.reason = reason_phrase(admin.status);
    req->res.content_length = body.len;
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("content-type"), 1, NULL, admin.type,
                          strlen(admin.type));
    config_unref(admin.config);
    arena_free(&admin.arena);
    h2o_start_response(req, &generator);
    h2o_send(req, &body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}
