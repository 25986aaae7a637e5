#include "exchange.h"

#include "answer.h"
#include "base/clock.h"
#include "edge.h"
#include "edge_metrics.h"
#include "h2_names.h"
#include "proxy.h"
#include "tunnel.h"

#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/ioctl.h>

static void run_plugins(struct exchange *x);

static bool names_equal(const h2o_iovec_t *name, const char *lower, size_t size)
{
    return name->len == size && memcmp(name->base, lower, size) == 0;
}

const h2o_iovec_t *exchange_request_header(const struct exchange *x, const char *name, size_t *count)
{
    const h2o_iovec_t *value = NULL;
    size_t size = strlen(name);
    *count = 0;
    for (size_t i = 0; i < x->req->headers.size; i++) {
        const h2o_header_t *header = &x->req->headers.entries[i];
        if (names_equal(header->name, name, size) && ++*count == 1)
            value = &header->value;
    }
    return value;
}

char *exchange_printf(struct exchange *x, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *out = h2o_mem_alloc_pool(&x->req->pool, (size_t)size + 1);
    vsnprintf(out, (size_t)size + 1, format, again);
    va_end(args);
    va_end(again);
    return out;
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
    h2o_req_t *req = x->req;
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, value, strlen(value));
}

/* The end */

static void log_all(struct exchange *x)
{
    if (x->route)
        for (const struct kong_plugin *const *row = x->route->chain; *row; row++)
            if ((*row)->plugin->log)
                (*row)->plugin->log(x, (*row)->config);
    edge_metrics_request(x->loop->edge->metrics, x);
}

/* h2o's request is over: answered, or the client went away. */
static void dispose(void *self)
{
    struct exchange *x = self;
    if (x->cancel)
        x->cancel(x->waiting);
    x->cancel = NULL;
    h2o_timeout_unlink(&x->later);
    h2o_linklist_unlink(&x->link);
    proxy_finish(x);
    log_all(x);
    if (x->counted)
        limits_request_give(&x->loop->edge->limits);
    if (x->held)
        limits_body_give(&x->loop->edge->limits, (int64_t)x->held);
    conn_end(x->conn, x, !x->finished);
    config_unref(x->config);
}

/* Answers */

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct exchange *x = (struct exchange *)generator;
    (void)req;
    x->sending = false;
    x->stalled_since = 0;
    if (x->abandoned)
        exchange_send(x, NULL, 0, H2O_SEND_STATE_ERROR);
    else
        proxy_proceed(x);
}

static void add_common_headers(struct exchange *x)
{
    exchange_header(x, "x-request-id", x->request_id);
    exchange_header(x, "traceparent", x->traceparent);
}

/* Without a length: chunks for HTTP/1.1, the end of the connection for 1.0. */
static void choose_framing(struct exchange *x)
{
    h2o_req_t *req = x->req;
    bool bodyless = x->head_request || req->res.status == 204 || req->res.status == 304;
    if (req->version >= 0x200 || req->res.content_length != SIZE_MAX || bodyless)
        return;
    if (req->version == 0x101) {
        x->chunk_out = true;
        exchange_header(x, "transfer-encoding", "chunked");
    } else {
        req->http1_is_persistent = 0;
    }
}

static void complete_head(struct exchange *x)
{
    if (x->route)
        for (const struct kong_plugin *const *row = x->route->chain; *row; row++)
            if ((*row)->plugin->header)
                (*row)->plugin->header(x, (*row)->config);
    add_common_headers(x);
    x->started = true;
}

void exchange_start(struct exchange *x)
{
    complete_head(x);
    choose_framing(x);
    if (x->conn->unsafe_body)
        x->req->http1_is_persistent = 0;
    h2o_start_response(x->req, &x->generator);
}

void exchange_leave(struct exchange *x)
{
    complete_head(x);
    x->finished = true;
}

void exchange_send(struct exchange *x, h2o_iovec_t *parts, size_t count, h2o_send_state_t state)
{
    x->sending = true;
    x->stalled_since = clock_ms();
    if (state != H2O_SEND_STATE_IN_PROGRESS)
        x->finished = true;
    h2o_send(x->req, parts, count, state);
}

static void send_body(struct exchange *x, const char *body, size_t size)
{
    h2o_iovec_t part = h2o_iovec_init(body, size);
    x->req->res.content_length = size;
    exchange_start(x);
    exchange_send(x, &part, x->head_request ? 0 : 1, x->malformed ? H2O_SEND_STATE_ERROR : H2O_SEND_STATE_FINAL);
}

void exchange_refuse(struct exchange *x, int status, const char *message)
{
    struct arena arena = { 0 };
    struct buf body = BUF(&arena);
    x->req->res.status = status;
    x->req->res.reason = reason_phrase(status);
    exchange_header(x, "content-type", "application/json");
    if (status == 503)
        exchange_header(x, "retry-after", "1");
    answer_body(&body, status, message, x->request_id);
    char *kept = h2o_mem_alloc_pool(&x->req->pool, body.size + 1);
    memcpy(kept, body.data, body.size);
    send_body(x, kept, body.size);
    arena_free(&arena);
}

void exchange_abandon(struct exchange *x)
{
    if (x->abandoned)
        return;
    x->abandoned = true;
    x->req->http1_is_persistent = 0;
    if (!x->started) {
        if (x->cancel)
            x->cancel(x->waiting);
        x->cancel = NULL;
        h2o_timeout_unlink(&x->later);
        proxy_finish(x);
        exchange_refuse(x, 499, "the client went away");
    } else if (!x->sending && !x->finished) {
        exchange_send(x, NULL, 0, H2O_SEND_STATE_ERROR);
    }
}

void exchange_half_closed(struct exchange *x)
{
    x->half_closed = true;
    /* A stream of events has no end of its own to be waited for. */
    if (x->started && x->events)
        exchange_abandon(x);
}

/* The way in */

static void identify(struct exchange *x)
{
    struct loop *loop = x->loop;
    const char *parent = NULL;
    const h2o_headers_t *headers = &x->req->headers;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (names_equal(header->name, "x-request-id", 12) && edge_id_valid(header->value.base, header->value.len))
            snprintf(x->request_id, sizeof x->request_id, "%.*s", (int)header->value.len, header->value.base);
        else if (names_equal(header->name, "traceparent", 11) &&
                 edge_trace_valid(header->value.base, header->value.len))
            parent = header->value.base;
    }
    if (!*x->request_id)
        edge_id_make(x->request_id, loop_random(loop), loop_random(loop));
    edge_trace_make(x->traceparent, parent, parent ? 0 : loop_random(loop), parent ? 0 : loop_random(loop),
                    loop_random(loop));
}

static bool normalise(struct exchange *x)
{
    h2o_iovec_t in = x->req->input.path;
    switch (path_look(in.base, in.len, &x->path)) {
    case PATH_NORMAL:
        return true;
    case PATH_REWRITE:
        return path_rewrite(in.base, in.len, h2o_mem_alloc_pool(&x->req->pool, in.len * 3 + 2), &x->path);
    default:
        return false;
    }
}

static void find_route(struct exchange *x)
{
    struct match match;
    if (!router_match(x->config->router, x->method, x->conn->tls, x->path.text, x->path.size, &match)) {
        exchange_refuse(x, 404, "nothing is served at this path");
        return;
    }
    x->route = match.route;
    x->prefix = match.prefix;
    run_plugins(x);
}

static void run_plugins(struct exchange *x)
{
    const struct kong_plugin *row;
    while ((row = x->route->chain[x->chain_at])) {
        x->chain_at++;
        enum verdict verdict = row->plugin->access ? row->plugin->access(x, row->config) : VERDICT_NEXT;
        if (verdict != VERDICT_NEXT)
            return;
    }
    proxy_start(x);
}

void exchange_wait(struct exchange *x, void (*cancel)(void *waiting), void *waiting)
{
    x->cancel = cancel;
    x->waiting = waiting;
}

void exchange_resume(struct exchange *x)
{
    x->cancel = NULL;
    run_plugins(x);
}

/* A body of HTTP/1 is counted with its connection since its head came. */
static bool take_body(struct exchange *x)
{
    size_t size = x->req->version >= 0x200 ? x->req->entity.len : 0;
    if (size && !limits_body_take(&x->loop->edge->limits, (int64_t)size))
        return false;
    x->held = size;
    return true;
}

/* NULL: the request may go on. */
static const char *check(struct exchange *x, int *status)
{
    h2o_req_t *req = x->req;
    const char *fault = req->version >= 0x200 ? h2_names_check(req, status) : conn_check(x->conn, status);
    x->malformed = fault && req->version >= 0x200 && *status == 400;
    if (fault)
        return fault;
    struct limits *limits = &x->loop->edge->limits;
    if (req->entity.len > (size_t)limits->body_max) {
        *status = 413;
        return answer_too_large;
    }
    if (!normalise(x)) {
        *status = 400;
        return "the path is malformed, or escapes a slash or a dot";
    }
    x->counted = limits_request_take(limits);
    if (!x->counted || !take_body(x)) {
        *status = 503;
        return "too many requests at a time";
    }
    return NULL;
}

static void begin(struct exchange *x)
{
    int status;
    const char *fault = check(x, &status);
    if (!fault) {
        find_route(x);
        return;
    }
    if (x->req->version < 0x200)
        x->req->http1_is_persistent = 0;
    exchange_refuse(x, status, fault);
}

static void on_later(h2o_timeout_entry_t *entry)
{
    begin(H2O_STRUCT_FROM_MEMBER(struct exchange, later, entry));
}

int exchange_on_req(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    struct loop *loop = (struct loop *)req->conn->ctx;
    struct exchange *x = h2o_mem_alloc_shared(&req->pool, sizeof *x, dispose);
    memset(x, 0, offsetof(struct exchange, proxy) + sizeof x->proxy);
    x->generator.proceed = on_proceed;
    x->req = req;
    x->loop = loop;
    x->conn = conn_of(req);
    x->config = config_ref(loop->config);
    x->later.cb = on_later;
    x->begun_us = clock_us();
    x->method = method_bit(req->input.method.base, req->input.method.len);
    x->head_request = x->method == METHOD_HEAD;
    x->upgrade = tunnel_wanted(req);
    x->idempotent = x->method & (METHOD_GET | METHOD_HEAD | METHOD_PUT | METHOD_DELETE | METHOD_OPTIONS);
    h2o_linklist_insert(&loop->exchanges, &x->link);
    identify(x);
    conn_begin(x->conn, x);
    /* A stream that is reset in the same breath must cost nothing: HTTP/2 waits for one turn. */
    if (req->version >= 0x200)
        h2o_timeout_link(loop->ctx.loop, &loop->ctx.zero_timeout, &x->later);
    else
        begin(x);
    return 0;
}

/* Timeouts */

static void check_stall(struct exchange *x, int64_t now_ms)
{
    int unsent = 0;
    if (now_ms - x->stalled_since < STALL_MS)
        return;
    ioctl(h2o_socket_get_fd(x->conn->sock), SIOCOUTQ, &unsent);
    /* A slow reader is not a dead one: as long as the kernel gets rid of something. */
    bool moves = unsent != x->unsent;
    x->unsent = unsent;
    x->stalled_since = now_ms;
    if (!moves)
        shutdown(h2o_socket_get_fd(x->conn->sock), SHUT_RDWR);
}

void exchange_sweep(struct loop *loop, int64_t now_ms)
{
    for (h2o_linklist_t *node = loop->exchanges.next, *next; node != &loop->exchanges; node = next) {
        struct exchange *x = H2O_STRUCT_FROM_MEMBER(struct exchange, link, node);
        next = node->next;
        if (x->sending && x->stalled_since)
            check_stall(x, now_ms);
        else if (x->proxy.deadline && now_ms >= x->proxy.deadline)
            proxy_timeout(x);
    }
}
