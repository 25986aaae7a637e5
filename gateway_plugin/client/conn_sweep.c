#include "client/conn_parts.h"

#include "base/sockets.h"
#include "process/edge.h"

/* The kernel may hold a request that has come since we last read. */
static bool has_come(const struct conn *conn)
{
    return socket_has_unread(h2o_socket_get_fd(conn->sock));
}

static void sweep_head(struct conn *conn, int64_t now_ms)
{
    if (conn->seen ? now_ms - conn->since > HEAD_MS : now_ms - conn->since > IDLE_MS) {
        if (conn->seen)
            conn_refuse(conn, 408, "the head did not come in time");
        else if (!has_come(conn))
            conn_drop(conn, h2o_socket_error_closed);
    }
}

static void sweep_body(struct conn *conn, int64_t now_ms)
{
    size_t size = conn->sock->input->size;
    if (size != conn->progress) {
        conn->progress = size;
        conn->since = now_ms;
    } else if (now_ms - conn->since <= BODY_IDLE_MS) {
        return;
    } else if (h2o_socket_is_writing(conn->sock)) { /* a 100 that nobody takes */
        shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    } else {
        conn_refuse(conn, 408, "the body did not come in time");
    }
}

static void sweep_one(struct conn *conn, int64_t now_ms)
{
    switch (conn->phase) {
    case CONN_HANDSHAKE:
    case CONN_FIRST:
        if (now_ms - conn->since > HEAD_MS)
            shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
        break;
    case CONN_HEAD:
        sweep_head(conn, now_ms);
        break;
    case CONN_BODY:
        sweep_body(conn, now_ms);
        break;
    case CONN_H2:
        conn_sweep_h2(conn, now_ms);
        break;
    case CONN_PEN:
        if (now_ms - conn->since > PEN_MS) {
            shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
            conn_drop(conn, h2o_socket_error_closed);
        }
        break;
    case CONN_LINGER:
        if (now_ms - conn->since > LINGER_MS)
            conn_drop(conn, h2o_socket_error_closed);
        break;
    default:
        break;
    }
}

/* Long enough for a request that was on its way when the stop began: what is answered from then on says
 * `Connection: close`, so that the client knows. */
static bool idle(const struct conn *conn, int64_t now_ms)
{
    int64_t since = conn->since > conn->loop->stopping_since ? conn->since : conn->loop->stopping_since;
    return (conn->phase == CONN_HEAD || conn->phase == CONN_FIRST) && !conn->sock->input->size &&
           now_ms - since >= LAST_CALL_MS && !has_come(conn);
}

/* h2o has just begun to wait for the next head: conn_after_run() comes first. */
static bool between(const struct conn *conn)
{
    return conn->finished.next;
}

void conn_sweep(struct loop *loop, int64_t now_ms)
{
    bool over = loop->stopping && now_ms >= loop->stop_at;
    for (h2o_linklist_t *node = loop->conns.next, *next; node != &loop->conns; node = next) {
        struct conn *conn = H2O_STRUCT_FROM_MEMBER(struct conn, link, node);
        next = node->next;
        if (between(conn))
            continue;
        if (over)
            conn_cut(conn);
        else if (loop->stopping && conn->phase == CONN_TUNNEL) /* it has no end to be waited for */
            conn_cut(conn);
        else if (loop->stopping && idle(conn, now_ms))
            conn_drop(conn, h2o_socket_error_closed);
        else
            sweep_one(conn, now_ms);
    }
}
