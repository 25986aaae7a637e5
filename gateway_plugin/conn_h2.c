#include "conn_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "edge.h"

#include <h2o/http2.h>

static void on_frames(h2o_socket_t *sock, const char *err);

/* Bodies that are still coming are held by h2o: they count. */
static bool take_uploads(struct conn *conn)
{
    struct limits *limits = &conn->loop->edge->limits;
    size_t uploading = conn->guard->uploading;
    if (uploading < conn->held)
        limits_body_give(limits, (int64_t)(conn->held - uploading));
    else if (uploading > conn->held && !limits_body_take(limits, (int64_t)(uploading - conn->held)))
        return false;
    conn->held = uploading;
    return true;
}

static bool guard(struct conn *conn, const char *data, size_t size)
{
    const char *fault = h2_guard_read(conn->guard, data, size, clock_ms());
    if (!fault && !take_uploads(conn))
        fault = "uploads at a time";
    if (!fault)
        return true;
    atomic_fetch_add_explicit(&conn->loop->edge->limits.refused, 1, memory_order_relaxed);
    if (loop_may_log(conn->loop))
        log_warn(NULL, "an HTTP/2 connection was cut off", "peer", conn->peer, "too many", fault);
    return false;
}

/* What it sends from now on waits in the kernel, and then at the sender. */
void conn_pen(struct conn *conn)
{
    h2o_socket_read_stop(conn->sock);
    conn_set_phase(conn, CONN_PEN);
}

static void on_frames(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    size_t size = err ? 0 : sock->bytes_read;
    if (size && !guard(conn, sock->input->bytes + sock->input->size - size, size))
        conn_pen(conn);
    else
        conn->inner(sock, err);
}

void conn_start_h2(struct conn *conn)
{
    struct loop *loop = conn->loop;
    h2o_socket_t *sock = conn->sock;
    conn_set_phase(conn, CONN_H2);
    conn->guard = h2o_mem_alloc(sizeof *conn->guard);
    h2_guard_start(conn->guard);
    if (!guard(conn, sock->input->bytes, sock->input->size)) {
        conn_pen(conn);
        return;
    }
    h2o_accept_ctx_t accept = { .ctx = &loop->ctx, .hosts = loop->hosts };
    h2o_http2_accept(&accept, sock, conn->accepted_at);
    if (conn->phase != CONN_H2 || !sock->_cb.read)
        return;
    conn->inner = sock->_cb.read;
    h2o_socket_read_start(sock, on_frames);
}
