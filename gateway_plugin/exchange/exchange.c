#include "exchange/exchange.h"

#include "base/catalogue.h"
#include "base/sockets.h"
#include "logs/access_log.h"
#include "exchange/answer.h"
#include "process/body_spool.h"
#include "transform/compress.h"
#include "process/edge.h"
#include "admin/edge_metrics.h"
#include "client/h2_names.h"
#include "client/unread.h"
#include "subject/nats_route.h"
#include "proxy/proxy.h"
#include "proxy/tunnel.h"

static void run_plugins(struct exchange *x);

static bool names_equal(const h2o_iovec_t *name, const char *lower, size_t size)
{
    return name->len == size && memcmp(name->base, lower, size) == 0;
}

/* The end */

static void log_all(struct exchange *x)
{
    for (const struct kong_plugin *const *row = x->chain; row && *row; row++)
        if ((*row)->plugin->log)
            (*row)->plugin->log(x, (*row)->config);
    edge_metrics_request(x->loop->edge->metrics, x);
    access_log_request(x->loop->edge->log, x);
    tracing_end(x);
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
        limits_request_give(x->loop->edge->limits);
    if (x->held)
        limits_body_give(x->loop->edge->limits, (int64_t)x->held);
    flow_free(x->flow);
    x->loop->compressing -= x->compressing;
    conn_end(x->conn, x, !x->finished);
    grant_unref(x->grant);
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
    else if (!x->flow || !exchange_drain(x))
        proxy_proceed(x);
}

static void add_common_headers(struct exchange *x)
{
    h2o_req_t *req = x->req;
    h2o_vector_reserve(&req->pool, &req->res.headers, req->res.headers.size + 2);
    h2o_header_t *header = req->res.headers.entries + req->res.headers.size;
    header[0] = (h2o_header_t){ (h2o_iovec_t *)&h2_request_id, NULL, { x->request_id, strlen(x->request_id) } };
    header[1] = (h2o_header_t){ (h2o_iovec_t *)&h2_traceparent, NULL, { x->traceparent, TRACEPARENT_SIZE } };
    req->res.headers.size += 2;
}

/* Without a length: chunks for HTTP/1.1, the end of the connection for 1.0. */
static void choose_framing(struct exchange *x)
{
    h2o_req_t *req = x->req;
    if (req->version >= 0x200 || req->res.content_length != SIZE_MAX || !exchange_has_body(x))
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
    for (const struct kong_plugin *const *row = x->chain; row && *row; row++)
        if ((*row)->plugin->header)
            (*row)->plugin->header(x, (*row)->config);
    if (x->loop->edge->settings->compress)
        compress_answer(x, (enum compress)x->loop->edge->settings->compress);
    access_log_head(x->loop->edge->log, x);
    add_common_headers(x);
    x->head_us = loop_now_us(x->loop);
    x->started = true;
}

void exchange_start(struct exchange *x)
{
    complete_head(x);
    choose_framing(x);
    if (x->req->version < 0x200 && (x->conn->unsafe_body || x->unread))
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
    x->stalled_since = loop_now(x->loop);
    if (state != H2O_SEND_STATE_IN_PROGRESS)
        x->finished = true;
    struct conn *conn = x->conn;
    h2o_send(x->req, parts, count, state);
    if (conn->guard)
        conn_mind_silence(conn);
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
    const h2o_headers_t *headers = &x->req->headers;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (names_equal(header->name, "x-request-id", 12) && edge_id_valid(header->value.base, header->value.len))
            snprintf(x->request_id, sizeof x->request_id, "%.*s", (int)header->value.len, header->value.base);
    }
    if (!*x->request_id)
        edge_id_make(x->request_id, loop_random(x->loop), loop_random(x->loop));
    tracing_begin(x);
}

bool exchange_normalise(struct exchange *x)
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

static void run_plugins(struct exchange *x)
{
    const struct kong_plugin *row;
    while ((row = x->chain[x->chain_at])) {
        x->chain_at++;
        enum verdict verdict = row->plugin->access ? row->plugin->access(x, row->config) : VERDICT_NEXT;
        if (verdict != VERDICT_NEXT)
            return;
    }
    /* Half a body goes to nobody, whatever has changed since its length was looked at. */
    if (x->unread) {
        exchange_refuse(x, 413, answer_too_large);
        return;
    }
    x->asked_us = loop_now_us(x->loop);
    tracing_ask(x);
    if (x->route->service->subject)
        nats_route_start(x);
    else
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
    if (size && !limits_body_take(x->loop->edge->limits, (int64_t)size))
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
    struct limits *limits = x->loop->edge->limits;
    if (req->entity.len > (size_t)limits->body_max) {
        *status = 413;
        return answer_too_large;
    }
    if (x->conn->no_room && req->version >= 0x200 && req->entity.len >= SPOOL_FROM &&
        !body_spool_has_room((int64_t)req->entity.len)) {
        *status = 507;
        return MESSAGE("there is no room for the body");
    }
    if (!exchange_normalise(x)) {
        *status = 400;
        return MESSAGE("the path is malformed, or escapes a slash or a dot");
    }
    x->counted = limits_request_take(limits);
    if (!x->counted || !take_body(x)) {
        *status = 503;
        return MESSAGE("too many requests at a time");
    }
    return NULL;
}

static void begin(struct exchange *x)
{
    int status;
    const char *fault = check(x, &status);
    if (!fault) {
        if (exchange_find_route(x))
            run_plugins(x);
        return;
    }
    if (x->req->version < 0x200)
        x->req->http1_is_persistent = 0;
    exchange_refuse(x, status, fault);
}

static void on_later(h2o_timeout_entry_t *entry)
{
    struct exchange *x = H2O_STRUCT_FROM_MEMBER(struct exchange, later, entry);
    /* Of a connection that was cut off in the meantime nothing more is forwarded. */
    if (x->conn->phase == CONN_H2)
        begin(x);
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
    x->unread = x->conn->unread && (req->version < 0x200 || unread_is(x));
    x->told = x->unread ? x->conn->told : 0;
    x->later.cb = on_later;
    x->begun_us = loop_now_us(loop);
    x->method = method_bit(req->input.method.base, req->input.method.len);
    x->head_request = x->method == METHOD_HEAD;
    x->upgrade = tunnel_wanted(req);
    x->idempotent = x->method & (METHOD_GET | METHOD_HEAD | METHOD_PUT | METHOD_DELETE | METHOD_OPTIONS);
    h2o_linklist_insert(&loop->exchanges, &x->link);
    identify(x);
    client_look(x);
    conn_begin(x->conn, x);
    /* A stream that is reset in the same breath must cost nothing: HTTP/2 waits for one turn. */
    if (req->version >= 0x200)
        h2o_timeout_link(loop->ctx.loop, &loop->ctx.zero_timeout, &x->later);
    else
        begin(x);
    return 0;
}

/* Timeouts */

enum { LOOK_MS = 1000 }; /* most answers never stand still for so long */

/* A slow reader is not a dead one: as long as the kernel gets rid of something. */
static void check_stall(struct exchange *x, int64_t now_ms)
{
    if (now_ms - x->stalled_since < LOOK_MS)
        return;
    int unsent = socket_unsent(h2o_socket_get_fd(x->conn->sock));
    if (unsent != x->unsent) {
        x->unsent = unsent;
        x->stalled_since = now_ms;
    } else if (now_ms - x->stalled_since > STALL_MS) {
        shutdown(h2o_socket_get_fd(x->conn->sock), SHUT_RDWR);
    }
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
