#include "client/conn_parts.h"

#include "client/unread.h"
#include "process/edge.h"
#include "process/edge_tls.h"
#include "exchange/exchange.h"
#include "must.h"

#include <arpa/inet.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_SIZE = sizeof preface - 1 };

struct conn *conn_of_socket(h2o_socket_t *sock)
{
    return sock->on_close.data;
}

struct conn *conn_of(const h2o_req_t *req)
{
    return conn_of_socket(req->conn->callbacks->get_socket(req->conn));
}

void conn_set_phase(struct conn *conn, enum conn_phase phase)
{
    conn->phase = phase;
    conn->since = loop_now(conn->loop);
    conn->progress = 0;
}

void conn_give_held(struct conn *conn)
{
    if (conn->held)
        limits_body_give(conn->loop->edge->limits, (int64_t)conn->held);
    conn->held = 0;
}

/* The socket is gone. The conn itself goes after this turn: who called h2o may still look at it. */
static void on_close(void *data)
{
    struct conn *conn = data;
    conn->phase = CONN_GONE;
    conn_give_held(conn);
    free(conn->server_name);
    conn->server_name = NULL;
    edge_tls_free(conn->context);
    conn->context = NULL;
    conn->loop->conn_count--;
    loop_give_room(conn->loop);
    h2o_linklist_unlink(&conn->link);
    if (h2o_linklist_is_linked(&conn->silent))
        h2o_linklist_unlink(&conn->silent);
    if (h2o_linklist_is_linked(&conn->waiting))
        h2o_linklist_unlink(&conn->waiting);
    if (!h2o_linklist_is_linked(&conn->finished))
        h2o_linklist_insert(&conn->loop->finished, &conn->finished);
}

/* h2o hears of it as of a client that closed. */
void conn_drop(struct conn *conn, const char *err)
{
    h2o_socket_cb inner = conn->inner;
    h2o_socket_dont_read(conn->sock, 0);
    if (!inner) {
        h2o_socket_close(conn->sock);
        return;
    }
    h2o_socket_read_start(conn->sock, inner);
    inner(conn->sock, err);
}

void conn_cut(struct conn *conn)
{
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    if (conn->phase == CONN_BUSY && conn->exchange)
        exchange_abandon(conn->exchange);
    else if (conn->phase == CONN_H2 || conn->phase == CONN_PEN || conn->phase == CONN_HEAD)
        conn_drop(conn, h2o_socket_error_closed);
}

void conn_begin(struct conn *conn, struct exchange *x)
{
    conn->requests++;
    conn->served++;
    if (x->req->version < 0x200) {
        conn_watch(conn, x);
        return;
    }
    conn->loop->begun++;
    if (conn->requests > REQUESTS_MAX && conn->phase == CONN_H2)
        conn_pen(conn, "requests at a time");
}

static void count_aborted(struct conn *conn)
{
    int64_t second = loop_now(conn->loop) / 1000;
    if (conn->second != second)
        conn->aborted = 0;
    conn->second = second;
    if (++conn->aborted == ABORTED_MAX && conn->phase == CONN_H2)
        conn_pen(conn, "requests taken back");
}

void conn_end(struct conn *conn, struct exchange *x, bool aborted)
{
    conn->requests--;
    if (conn->phase == CONN_H2 || conn->phase == CONN_PEN) {
        if (aborted)
            count_aborted(conn);
        else if (x->unread)
            unread_over(conn, x);
        return;
    }
    if (conn->exchange != x)
        return;
    if (x->unread && !aborted)
        unread_keep(conn);
    conn->exchange = NULL;
    conn_give_held(conn);
    conn->checked = conn->watched = false;
    conn->seen = 0;
    h2o_socket_dont_read(conn->sock, 0);
    conn_set_phase(conn, CONN_HEAD);
    if (!h2o_linklist_is_linked(&conn->finished))
        h2o_linklist_insert(&conn->loop->finished, &conn->finished);
}

void conn_tunnelled(struct conn *conn)
{
    conn_set_phase(conn, CONN_TUNNEL);
}

static void await_head(struct conn *conn)
{
    if (conn->phase != CONN_HEAD || conn->spare >= 0 || !conn->sock->_cb.read || conn->sock->_cb.read == conn_on_head)
        return;
    conn->inner = conn->sock->_cb.read;
    h2o_socket_read_start(conn->sock, conn_on_head);
    if (conn->sock->input->size)
        conn_on_begun_head(conn);
}

void conn_after_run(struct loop *loop)
{
    conn_hand_over(loop);
    conn_watch_again(loop);
    while (!h2o_linklist_is_empty(&loop->finished)) {
        struct conn *conn = H2O_STRUCT_FROM_MEMBER(struct conn, finished, loop->finished.next);
        h2o_linklist_unlink(&conn->finished);
        unread_tell(conn);
        if (conn->phase == CONN_GONE) {
            if (conn->spare >= 0)
                unread_linger(loop, conn->spare);
            free(conn->refusal);
            free(conn->guard);
            free(conn);
        } else {
            await_head(conn);
        }
    }
}

/* The beginning */

static void on_first(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    const h2o_buffer_t *input = sock->input;
    if (err) {
        h2o_socket_close(sock);
        return;
    }
    size_t size = input->size < PREFACE_SIZE ? input->size : PREFACE_SIZE;
    if (!size)
        return;
    if (memcmp(input->bytes, preface, size) == 0) {
        if (size == PREFACE_SIZE)
            conn_start_h2(conn);
        return;
    }
    if (conn->wants_h2) {
        h2o_socket_close(sock);
        return;
    }
    conn_set_phase(conn, CONN_HEAD);
    h2o_socket_read_start(sock, conn_on_head);
    conn_on_head(sock, NULL);
}

static void await_first(struct conn *conn)
{
    conn_set_phase(conn, CONN_FIRST);
    h2o_socket_read_start(conn->sock, on_first);
    if (conn->sock->input->size)
        on_first(conn->sock, NULL);
}

static void on_handshake(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    if (err) {
        h2o_socket_close(sock);
        return;
    }
    h2o_iovec_t protocol = h2o_socket_ssl_get_selected_protocol(sock);
    conn->wants_h2 = protocol.len == 2 && memcmp(protocol.base, "h2", 2) == 0;
    await_first(conn);
}

static void note_peer(struct conn *conn)
{
    struct sockaddr_storage address = { 0 };
    const struct sockaddr_in6 *six = (const void *)&address;
    const struct sockaddr_in *four = (const void *)&address;
    strcpy(conn->peer, "unknown");
    if (h2o_socket_getpeername(conn->sock, (struct sockaddr *)&address)) {
        conn->peer_address = address_in6(&address);
        if (address.ss_family == AF_INET)
            inet_ntop(AF_INET, &four->sin_addr, conn->peer, sizeof conn->peer);
        else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], conn->peer, sizeof conn->peer);
        else
            inet_ntop(AF_INET6, &six->sin6_addr, conn->peer, sizeof conn->peer);
    }
    conn->peer_size = strlen(conn->peer);
}

void conn_note_server_name(h2o_socket_t *sock, const char *name)
{
    struct conn *conn = sock->on_close.data;
    free(conn->server_name);
    conn->server_name = must(strdup(name));
    h2o_strtolower(conn->server_name, strlen(conn->server_name));
}

struct conn *conn_create(struct loop *loop, h2o_socket_t *sock)
{
    struct conn *conn = h2o_mem_alloc(sizeof *conn);
    *conn = (struct conn){ .loop = loop, .sock = sock, .spare = -1 };
    sock->on_close.cb = on_close;
    sock->on_close.data = conn;
    h2o_linklist_insert(&loop->conns, &conn->link);
    loop->conn_count++;
    return conn;
}

void conn_accept(struct loop *loop, h2o_socket_t *sock, bool tls)
{
    struct conn *conn = conn_create(loop, sock);
    conn->tls = tls;
    conn->serial = ++loop->accepted;
    conn->accepted_at = *h2o_get_timestamp(&loop->ctx, NULL, NULL);
    note_peer(conn);
    if (!tls) {
        await_first(conn);
        return;
    }
    conn_set_phase(conn, CONN_HANDSHAKE);
    /* h2o makes its SSL from it when the client has spoken: a reload may have put another in its place by then. */
    conn->context = edge_tls_ref(loop->tls);
    h2o_socket_ssl_handshake(sock, conn->context, NULL, on_handshake);
}
