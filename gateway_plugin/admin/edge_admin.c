#include "admin/edge_admin.h"

#include "exchange/answer.h"
#include "base/clock.h"
#include "base/percent.h"
#include "admin/edge_admin_parts.h"
#include "admin/edge_metrics.h"
#include "nats/feed.h"

void admin_refuse(struct admin *admin, int status, const char *message)
{
    json_decref(admin->json);
    admin->status = status;
    admin->json = json_pack("{s:s}", "message", message);
}

/* The node */

static json_t *texts(const char *first, const char *second)
{
    json_t *out = json_array();
    if (first && *first)
        json_array_append_new(out, json_string(first));
    if (second && *second)
        json_array_append_new(out, json_string(second));
    return out;
}

static json_t *processes(const struct edge_shared *shared)
{
    json_t *out = json_array();
    for (size_t i = 0; i < shared->count; i++)
        if (shared->slots[i].state == SLOT_SERVING)
            json_array_append_new(out, json_integer(shared->slots[i].pid));
    return out;
}

static json_t *available_plugins(void)
{
    json_t *out = json_object();
    for (const struct plugin *const *plugin = plugins; *plugin; plugin++)
        json_object_set_new(out, (*plugin)->name, json_pack("{s:s}", "version", TONEARM_VERSION));
    return out;
}

static json_t *plugins_in_use(const struct config *config)
{
    json_t *out = json_array();
    for (const struct plugin *const *plugin = plugins; *plugin; plugin++) {
        const struct kong_plugin *row = config->plugins;
        while (row && (row->plugin != *plugin || !row->enabled))
            row = row->next;
        if (row)
            json_array_append_new(out, json_string((*plugin)->name));
    }
    return out;
}

static void get_node(struct admin *admin)
{
    if (admin_wants_page(admin)) {
        admin_page(admin);
        return;
    }
    const struct edge_settings *settings = admin->edge->settings;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    admin->json = json_pack("{s:s,s:s,s:s,s:s,s:{s:o,s:o},s:o,s:{s:s,s:s,s:s,s:o,s:o}}", "tagline", "tonearm-edge",
                            "version", TONEARM_VERSION, "hostname", host, "node_id", admin->edge->shared->node_id,
                            "plugins", "available_on_server", available_plugins(), "enabled_in_cluster",
                            plugins_in_use(admin->config), "pids", processes(admin->edge->shared), "configuration",
                            "database", "off", "declarative_config", admin->config->file, "router_flavor",
                            "traditional_compatible", "proxy_listen", texts(settings->listen, settings->tls_listen),
                            "admin_listen", texts(settings->admin_listen, NULL));
}

static void get_enabled_plugins(struct admin *admin)
{
    json_t *names = json_array();
    for (const struct plugin *const *plugin = plugins; *plugin; plugin++)
        json_array_append_new(names, json_string((*plugin)->name));
    admin->json = json_pack("{s:o}", "enabled_plugins", names);
}

static json_t *server_status(const struct edge_shared *shared, const struct edge_total *total)
{
    json_int_t conns = (json_int_t)total->conns, busy = (json_int_t)total->requests;
    json_int_t accepted = (json_int_t)total->accepted;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:I}", "connections_active", conns, "connections_accepted", accepted,
                     "connections_handled", accepted, "connections_writing", busy, "connections_waiting",
                     conns > busy ? conns - busy : 0, "requests_under_way", busy, "processes", processes(shared),
                     "uptime_s", (json_int_t)(clock_now_ms() - shared->started_ms) / 1000);
}

static void get_status(struct admin *admin)
{
    const struct edge *edge = admin->edge;
    struct edge_total total = edge_shared_total(edge->shared);
    admin->json = json_pack("{s:o,s:{s:b},s:{s:b,s:b,s:b},s:{s:s,s:I},s:s}", "server",
                            server_status(edge->shared, &total), "database", "reachable", 1, "nats", "configured",
                            edge->bus != NULL, "connected", total.bus_up, "feed_whole", total.feed_whole,
                            "configuration", "file", admin->config->file, "since",
                            (json_int_t)admin->config->since_ms / 1000, "version", TONEARM_VERSION);
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
    edge_metrics_write(admin->edge->metrics, admin->config, &admin->out);
}

static void get_health(struct admin *admin)
{
    admin->json = json_pack("{s:s,s:i,s:s,s:{s:s}}", "code", "10000", "status", 200, "message", "success", "data",
                            "status", "OK");
}

static void get_ready(struct admin *admin)
{
    struct edge_total total = edge_shared_total(admin->edge->shared);
    bool bus = !admin->edge->bus || total.bus_up, feed = !admin->edge->feed || total.feed_whole;
    admin->status = bus && feed ? 200 : 503;
    admin->json = json_pack("{s:s,s:i,s:s,s:{s:b,s:b}}", "code", bus && feed ? "10000" : "10001", "status",
                            admin->status, "message", bus && feed ? "ready" : "not ready", "data", "nats", bus, "feed",
                            feed);
}

/* Paths */

static const struct {
    const char *method, *path; /* a * stands for one segment */
    void (*handle)(struct admin *admin);
} rows[] = {
    { "GET", "/", get_node },
    { "GET", "/status", get_status },
    { "GET", "/plugins/enabled", get_enabled_plugins },
    { "GET", "/upstreams/*/health", admin_upstream_health },
    { "PUT", "/upstreams/*/targets/*/healthy", admin_target_healthy },
    { "PUT", "/upstreams/*/targets/*/unhealthy", admin_target_unhealthy },
    { "PUT", "/upstreams/*/targets/*/*/healthy", admin_target_healthy },
    { "PUT", "/upstreams/*/targets/*/*/unhealthy", admin_target_unhealthy },
    { "GET", "/config", get_config },
    { "POST", "/config", admin_post_config },
    { "GET", "/metrics", get_metrics },
    { "GET", "/health", get_health },
    { "GET", "/ready", get_ready },
    { "GET", "/live", admin_live },
    { "GET", "/page", admin_page },
};

static bool path_matches(struct admin *admin, const char *pattern)
{
    const char *path = admin->path;
    size_t count = 0;
    for (; *pattern; pattern++) {
        if (*pattern != '*') {
            if (*pattern != *path++)
                return false;
            continue;
        }
        size_t size = strcspn(path, "/");
        admin->names[count++] = arena_memdup(&admin->arena, path, size);
        path += size;
    }
    return !*path;
}

static bool is_method(const struct admin *admin, const char *method)
{
    const h2o_iovec_t *asked = &admin->req->method;
    return h2o_memis(asked->base, asked->len, method, strlen(method));
}

/* What the path takes, for Allow. */
static void allow(struct admin *admin, const char *method)
{
    const char *name = strcmp(method, "GET") == 0 ? "GET, HEAD" : method;
    admin->allow = admin->allow ? arena_printf(&admin->arena, "%s, %s", admin->allow, name)
                                : arena_printf(&admin->arena, "OPTIONS, %s", name);
}

static bool run_row(struct admin *admin)
{
    const char *head = is_method(admin, "HEAD") ? "GET" : NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!path_matches(admin, rows[i].path))
            continue;
        allow(admin, rows[i].method);
        if (is_method(admin, rows[i].method) || (head && strcmp(head, rows[i].method) == 0)) {
            rows[i].handle(admin);
            return true;
        }
    }
    return false;
}

static void refuse_method(struct admin *admin)
{
    admin_refuse(admin, 405,
                 "not with this method: the configuration is one file; change it there and send SIGHUP, or POST the "
                 "whole of it to /config");
    json_object_set_new(admin->json, "code", json_integer(12));
    json_object_set_new(admin->json, "name", json_string("operation unsupported"));
}

static void dispatch(struct admin *admin)
{
    if (admin_rebound(admin) || run_row(admin))
        return;
    bool entities = !admin->allow && admin_entities(admin);
    if (entities)
        allow(admin, "GET");
    if (!admin->allow)
        admin_refuse(admin, 404, "Not found");
    else if (is_method(admin, "OPTIONS"))
        admin->status = 204;
    else if (!entities || (!is_method(admin, "GET") && !is_method(admin, "HEAD")))
        refuse_method(admin);
}

/* Requests */

const char *admin_query(struct admin *admin, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = admin->query; *at; at += strcspn(at, "&"), at += *at == '&')
        if (strncmp(at, name, size) == 0 && at[size] == '=')
            return percent_decode(&admin->arena, at + size + 1, strcspn(at + size + 1, "&"), PERCENT_LOOSE, NULL);
    return NULL;
}

static h2o_iovec_t take_body(struct admin *admin)
{
    h2o_iovec_t body = { (char *)"", 0 };
    if (admin->json && admin->status != 204) {
        char *text = json_dumps(admin->json, JSON_COMPACT | JSON_REAL_PRECISION(12));
        body = h2o_strdup(&admin->req->pool, text ? text : "null", text ? strlen(text) : 4);
        free(text);
    } else if (admin->out.size) {
        body = h2o_strdup(&admin->req->pool, admin->out.data, admin->out.size);
    }
    json_decref(admin->json);
    return body;
}

static void add_header(h2o_req_t *req, const char *name, const char *value)
{
    h2o_iovec_t kept = h2o_strdup(&req->pool, value, strlen(value));
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, kept.base, kept.len);
}

static void answer(struct admin *admin)
{
    static h2o_generator_t generator = { NULL, NULL };
    h2o_req_t *req = admin->req;
    h2o_iovec_t body = take_body(admin);
    req->res.status = admin->status;
    req->res.reason = reason_phrase(admin->status);
    req->res.content_length = admin->status == 204 ? SIZE_MAX : body.len;
    if (body.len)
        add_header(req, "content-type", admin->type);
    add_header(req, "cache-control", "no-store");
    add_header(req, "x-content-type-options", "nosniff");
    if (admin->policy)
        add_header(req, "content-security-policy", admin->policy);
    if (admin->allow && (admin->status == 204 || admin->status == 405))
        add_header(req, "allow", admin->allow);
    h2o_start_response(req, &generator);
    h2o_send(req, &body, body.len && !is_method(admin, "HEAD"), H2O_SEND_STATE_FINAL);
}

int edge_admin_on_req(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    struct loop *loop = (struct loop *)req->conn->ctx;
    struct admin admin = {
        .edge = loop->edge, .req = req, .status = 200, .type = "application/json", .config = edge_config(loop->edge)
    };
    bool query = req->query_at != SIZE_MAX;
    size_t size = query ? req->query_at : req->path.len;
    admin.out = BUF(&admin.arena);
    admin.path = percent_decode(&admin.arena, req->path.base, size, PERCENT_LOOSE, NULL);
    admin.query = query ? arena_memdup(&admin.arena, req->path.base + size + 1, req->path.len - size - 1) : "";
    dispatch(&admin);
    answer(&admin);
    config_unref(admin.config);
    arena_free(&admin.arena);
    return 0;
}
