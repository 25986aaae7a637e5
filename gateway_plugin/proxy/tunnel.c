#include "proxy/tunnel.h"

#include "process/edge.h"

#include <h2o/http1.h>
#include <h2o/tunnel.h>

bool tunnel_wanted(const h2o_req_t *req)
{
    return req->version == 0x101 && h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("GET")) &&
           req->upgrade.base && h2o_lcstris(req->upgrade.base, req->upgrade.len, H2O_STRLIT("websocket"));
}

/* What outlives the exchange until the client has the 101. */
struct opening {
    struct loop *loop;
    struct conn *conn;
    h2o_socket_t *member;
};

static void on_upgraded(void *self, h2o_socket_t *client, size_t request_size)
{
    struct opening *opening = self;
    if (client) {
        h2o_buffer_consume(&client->input, request_size);
        conn_tunnelled(opening->conn);
        h2o_tunnel_establish(&opening->loop->ctx, client, opening->member, &opening->loop->tunnel_timeout);
    } else {
        h2o_socket_close(opening->member);
    }
    free(opening);
}

/* Lives as long as its socket. */
struct far_end {
    struct member *member; /* with a reference */
    struct limits *limits;
};

/* The member's side is closed: it has one thing less to do. */
static void on_member_closed(void *self)
{
    struct far_end *end = self;
    atomic_fetch_sub_explicit(&end->member->active, 1, memory_order_relaxed);
    member_unref(end->member);
    limits_origin_give(end->limits);
    free(end);
}

static void count(h2o_socket_t *sock, const struct exchange *x)
{
    struct far_end *end = h2o_mem_alloc(sizeof *end);
    *end = (struct far_end){ member_ref(x->proxy.member), x->loop->edge->limits };
    atomic_fetch_add_explicit(&end->member->active, 1, memory_order_relaxed);
    sock->on_close.cb = on_member_closed;
    sock->on_close.data = end;
}

void tunnel_start(struct exchange *x, const struct reply_head *head, h2o_iovec_t rest)
{
    struct opening *opening = h2o_mem_alloc(sizeof *opening);
    *opening = (struct opening){ x->loop, x->conn, origin_steal(x->proxy.origin) };
    count(opening->member, x);
    x->proxy.origin = NULL;
    x->proxy.deadline = 0;
    forward_reply(x, head);
    x->req->res.content_length = SIZE_MAX;
    exchange_header(x, "upgrade", "websocket");
    exchange_leave(x);
    h2o_http1_upgrade(x->req, &rest, rest.len ? 1 : 0, on_upgraded, opening);
}
