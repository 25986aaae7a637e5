#include "http/server_parts.h"

#include <string.h>

/*
 * h2o answers some errors itself, before a handler has seen the request (a body
 * beyond all limits, broken chunks, an unknown Expect). They come by the host's
 * fallback path, where this filter gives them our envelope and headers.
 */
struct swap {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_swapped(h2o_ostream_t *self, h2o_req_t *h2o, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
    (void)bufs;
    struct swap *swap = (struct swap *)self;
    h2o_ostream_send_next(self, h2o, &swap->body, count ? 1 : 0, state);
}

static const char *given(h2o_req_t *h2o, struct arena *arena, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&h2o->headers, name, strlen(name), -1);
    return at < 0 ? NULL : arena_memdup(arena, h2o->headers.entries[at].value.base, h2o->headers.entries[at].value.len);
}

static void add_header(h2o_req_t *h2o, const char *name, const char *value)
{
    h2o_iovec_t kept = h2o_strdup(&h2o->pool, value, strlen(value));
    h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name, strlen(name), 1, NULL, kept.base, kept.len);
}

static h2o_iovec_t dress(struct loop *loop, h2o_req_t *h2o)
{
    struct request req = { .body_fd = -1 };
    struct arena *arena = &req.ctx.arena;
    req.ctx.request_id = trace_request_id(&loop->ids, arena, given(h2o, arena, "x-request-id"));
    req.ctx.traceparent = trace_parent(&loop->ids, arena, given(h2o, arena, "traceparent"));
    struct buf body = BUF(arena);
    buf_printf(&body, "{\"code\":\"10001\",\"status\":%d,\"message\":\"%s\",\"requestId\":\"%s\"}", h2o->res.status,
               status_text(h2o->res.status), req.ctx.request_id);
    h2o->res.headers = (h2o_headers_t){ 0 };
    h2o->res.reason = status_text(h2o->res.status);
    h2o->res.content_length = body.size;
    add_header(h2o, "content-type", "application/json");
    add_header(h2o, "x-request-id", req.ctx.request_id);
    add_header(h2o, "traceparent", req.ctx.traceparent);
    h2o_iovec_t kept = h2o_strdup(&h2o->pool, body.data, body.size);
    ctx_finish(&req.ctx);
    return kept;
}

static void on_setup_ostream(h2o_filter_t *filter, h2o_req_t *h2o, h2o_ostream_t **slot)
{
    (void)filter;
    struct loop *loop = (struct loop *)h2o->conn->ctx;
    struct swap *swap = (struct swap *)h2o_add_ostream(h2o, sizeof *swap, slot);
    swap->super.do_send = send_swapped;
    swap->body = dress(loop, h2o);
    count_request(loop->server, &loop->server->rows[loop->server->route_count], 0, h2o->res.status, 0);
    h2o_setup_next_ostream(h2o, &swap->super.next);
}

void filter_register(h2o_hostconf_t *host)
{
    h2o_filter_t *filter = h2o_create_filter(&host->fallback_path, sizeof *filter);
    filter->on_setup_ostream = on_setup_ostream;
}
