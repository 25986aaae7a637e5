#include "conn.h"

#include "answer.h"
#include "base/clock.h"
#include "base/log.h"
#include "edge.h"
#include "exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <h2o/http1.h>
#include <h2o/http2.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_SIZE = sizeof preface - 1 };

static void on_first(h2o_socket_t *sock, const char *err);
static void pen(struct conn *conn);
static void on_head(h2o_socket_t *sock, const char *err);
static void on_chunks(h2o_socket_t *sock, const char *err);
static void on_frames(h2o_socket_t *sock, const char *err);

static struct conn *conn_of_socket(h2o_socket_t *sock)
{
    return sock->on_close.data;
}

struct conn *conn_of(const h2o_req_t *req)
{
    return conn_of_socket(req->conn->callbacks->get_socket(req->conn));
}

static void set_phase(struct conn *conn, enum conn_phase phase)
{
    conn->phase = phase;
    conn->since = clock_ms();
    conn->progress = 0;
}

static void give_held(struct conn *conn)
{
    if (conn->held)
        limits_body_give(&conn->loop->edge->limits, (int64_t)conn->held);
    conn->held = 0;
}

/* The socket is gone. The conn itself goes after this turn: who called h2o may still look at it. */
static void on_close(void *data)
{
    struct conn *conn = data;
    conn->phase = CONN_GONE;
    give_held(conn);
    conn->loop->conn_count--;
    limits_conn_give(&conn->loop->edge->limits);
    h2o_linklist_unlink(&conn->link);
    if (!h2o_linklist_is_linked(&conn->finished))
        h2o_linklist_insert(&conn->loop->finished, &conn->finished);
}

/* h2o hears of it as of a client that closed. */
static void drop(struct conn *conn, const char *err)
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
        drop(conn, h2o_socket_error_closed);
}

/* Refusals: the answer is ours, h2o has not seen the head. */

static void on_linger(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    /* Thrown away by the kernel, without a copy. */
    ssize_t got = err ? 0 : recv(h2o_socket_get_fd(sock), NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        drop(conn, h2o_socket_error_closed);
}

static void on_refused(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    free(conn->refusal);
    conn->refusal = NULL;
    if (err) {
        drop(conn, err);
        return;
    }
    /* A socket closed with bytes unread is reset, and the client never reads why. */
    shutdown(h2o_socket_get_fd(sock), SHUT_WR);
    h2o_socket_dont_read(sock, 1);
    h2o_socket_read_start(sock, on_linger);
}

static void refuse(struct conn *conn, int status, const char *reason)
{
    set_phase(conn, CONN_LINGER);
    atomic_fetch_add_explicit(&conn->loop->edge->limits.refused, 1, memory_order_relaxed);
    h2o_socket_read_stop(conn->sock);
    conn->refusal = answer_raw(status, reason, loop_random(conn->loop), loop_random(conn->loop), loop_random(conn->loop),
                               loop_random(conn->loop));
    h2o_iovec_t out = h2o_iovec_init(conn->refusal, strlen(conn->refusal));
    h2o_socket_write(conn->sock, &out, 1, on_refused);
}

/* HTTP/1 */

/* Gives what has been read to h2o, which may close the connection in the meantime. */
static void give_to_h2o(struct conn *conn)
{
    h2o_socket_t *sock = conn->sock;
    if (conn->inner) {
        h2o_socket_read_start(sock, conn->inner);
        conn->inner(sock, NULL);
        return;
    }
    struct loop *loop = conn->loop;
    h2o_accept_ctx_t accept = { .ctx = &loop->ctx, .hosts = loop->hosts };
    conn->inner = sock->_cb.read; /* not NULL: h2o has it from now on */
    h2o_http1_accept(&accept, sock, conn->accepted_at);
}

static bool admit_body(struct conn *conn)
{
    struct limits *limits = &conn->loop->edge->limits;
    struct head *head = &conn->head;
    if (head->length > limits->body_max) {
        refuse(conn, 413, answer_too_large);
        return false;
    }
    conn->held = head->chunked ? 0 : head->length > 0 ? (size_t)head->length : 0;
    if (conn->held && !limits_body_take(limits, (int64_t)conn->held)) {
        conn->held = 0;
        refuse(conn, 503, "too many uploads at a time");
        return false;
    }
    return true;
}

/* Chunks are looked at before h2o decodes them where they lie. false: refused. */
static bool check_chunks(struct conn *conn, const char *data, size_t size)
{
    size_t used, payload;
    if (chunks_read(&conn->chunks, data, size, &used, NULL, &payload) == CHUNKS_BAD) {
        refuse(conn, 400, "the chunked coding is broken");
        return false;
    }
    if (payload && !limits_body_take(&conn->loop->edge->limits, (int64_t)payload)) {
        refuse(conn, 503, "too many uploads at a time");
        return false;
    }
    conn->held += payload;
    if (conn->chunks.payload <= (uint64_t)conn->loop->edge->limits.body_max)
        return true;
    refuse(conn, 413, answer_too_large);
    return false;
}

static void take_head(struct conn *conn)
{
    const struct head *head = &conn->head;
    const h2o_buffer_t *input = conn->sock->input;
    if (!admit_body(conn))
        return;
    conn->chunks = (struct chunks){ 0 };
    if (head->chunked && !check_chunks(conn, input->bytes + head->size, input->size - head->size))
        return;
    conn->checked = true;
    /* While h2o says 100 it takes its callback back: then the chunks pass unseen, and nothing is read after them. */
    conn->unsafe_body = head->chunked && head->expect;
    set_phase(conn, CONN_BODY);
    give_to_h2o(conn);
    if (conn->phase != CONN_BODY || !conn->sock->_cb.read)
        return;
    conn->inner = conn->sock->_cb.read;
    if (head->chunked && !conn->unsafe_body)
        h2o_socket_read_start(conn->sock, on_chunks);
}

static void on_head(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    if (err) {
        drop(conn, err);
        return;
    }
    if (!conn->seen)
        conn->since = clock_ms();
    switch (head_check(sock->input->bytes, sock->input->size, conn->seen, &conn->head)) {
    case HEAD_PARTIAL:
        conn->seen = sock->input->size;
        break;
    case HEAD_BAD:
        refuse(conn, conn->head.status, conn->head.reason);
        break;
    case HEAD_GOOD:
        take_head(conn);
    }
}

static void on_chunks(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    size_t size = err ? 0 : sock->bytes_read;
    if (!size || check_chunks(conn, sock->input->bytes + sock->input->size - size, size))
        conn->inner(sock, err);
}

const char *conn_check(struct conn *conn, int *status)
{
    if (conn->checked)
        return NULL;
    const h2o_buffer_t *input = conn->sock->input;
    if (head_check(input->bytes, input->size, 0, &conn->head) != HEAD_GOOD) {
        *status = conn->head.status ? conn->head.status : 400;
        return conn->head.reason ? conn->head.reason : "the head is malformed";
    }
    conn->unsafe_body = conn->head.chunked;
    return NULL;
}

/* While a request is being answered: has the client gone? What it sends ahead waits in the kernel. */
static void on_busy(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    char byte;
    ssize_t got = err ? -1 : recv(h2o_socket_get_fd(sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && !err && (errno == EAGAIN || errno == EINTR))
        return;
    h2o_socket_read_stop(sock);
    conn->watched = false;
    if (got < 0 && conn->exchange)
        exchange_abandon(conn->exchange);
    /* It may have said all it wants to say and still listen. */
    if (got == 0 && conn->exchange)
        exchange_half_closed(conn->exchange);
}

static void begin_http1(struct conn *conn, struct exchange *x)
{
    set_phase(conn, CONN_BUSY);
    conn->exchange = x;
    conn->watched = true;
    /* That it is read without a pause also spares two calls of epoll_ctl a request. */
    h2o_socket_dont_read(conn->sock, 1);
    h2o_socket_read_start(conn->sock, on_busy);
}

void conn_begin(struct conn *conn, struct exchange *x)
{
    conn->requests++;
    if (x->req->version < 0x200)
        begin_http1(conn, x);
}

static void count_aborted(struct conn *conn)
{
    int64_t second = clock_ms() / 1000;
    if (conn->second != second)
        conn->aborted = 0;
    conn->second = second;
    if (++conn->aborted == ABORTED_MAX && conn->phase == CONN_H2)
        pen(conn);
}

void conn_end(struct conn *conn, struct exchange *x, bool aborted)
{
    conn->requests--;
    if (conn->phase == CONN_H2 || conn->phase == CONN_PEN) {
        if (aborted)
            count_aborted(conn);
        return;
    }
    if (conn->exchange != x)
        return;
    conn->exchange = NULL;
    give_held(conn);
    conn->checked = conn->watched = false;
    conn->seen = 0;
    h2o_socket_dont_read(conn->sock, 0);
    set_phase(conn, CONN_HEAD);
    if (!h2o_linklist_is_linked(&conn->finished))
        h2o_linklist_insert(&conn->loop->finished, &conn->finished);
}

static void await_head(struct conn *conn)
{
    if (conn->phase != CONN_HEAD || !conn->sock->_cb.read || conn->sock->_cb.read == on_head)
        return;
    conn->inner = conn->sock->_cb.read;
    h2o_socket_read_start(conn->sock, on_head);
    if (conn->loop->stopping && !conn->sock->input->size)
        drop(conn, h2o_socket_error_closed);
}

void conn_after_run(struct loop *loop)
{
    while (!h2o_linklist_is_empty(&loop->finished)) {
        struct conn *conn = H2O_STRUCT_FROM_MEMBER(struct conn, finished, loop->finished.next);
        h2o_linklist_unlink(&conn->finished);
        if (conn->phase == CONN_GONE) {
            free(conn->refusal);
            free(conn->guard);
            free(conn);
        } else {
            await_head(conn);
        }
    }
}

/* HTTP/2 */

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
    log_warn(NULL, "an HTTP/2 connection was cut off", "peer", conn->peer, "too many", fault);
    return false;
}

/* What it sends from now on waits in the kernel, and then at the sender. */
static void pen(struct conn *conn)
{
    h2o_socket_read_stop(conn->sock);
    set_phase(conn, CONN_PEN);
}

static void on_frames(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    size_t size = err ? 0 : sock->bytes_read;
    if (size && !guard(conn, sock->input->bytes + sock->input->size - size, size))
        pen(conn);
    else
        conn->inner(sock, err);
}

static void start_h2(struct conn *conn)
{
    struct loop *loop = conn->loop;
    h2o_socket_t *sock = conn->sock;
    set_phase(conn, CONN_H2);
    conn->guard = h2o_mem_alloc(sizeof *conn->guard);
    h2_guard_start(conn->guard);
    if (!guard(conn, sock->input->bytes, sock->input->size)) {
        pen(conn);
        return;
    }
    h2o_accept_ctx_t accept = { .ctx = &loop->ctx, .hosts = loop->hosts };
    h2o_http2_accept(&accept, sock, conn->accepted_at);
    if (conn->phase != CONN_H2 || !sock->_cb.read)
        return;
    conn->inner = sock->_cb.read;
    h2o_socket_read_start(sock, on_frames);
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
            start_h2(conn);
        return;
    }
    set_phase(conn, CONN_HEAD);
    h2o_socket_read_start(sock, on_head);
    on_head(sock, NULL);
}

static void await_first(struct conn *conn)
{
    set_phase(conn, CONN_FIRST);
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
    await_first(conn);
}

static void note_peer(struct conn *conn)
{
    struct sockaddr_storage address = { 0 };
    const struct sockaddr_in6 *six = (const void *)&address;
    const struct sockaddr_in *four = (const void *)&address;
    strcpy(conn->peer, "unknown");
    if (h2o_socket_getpeername(conn->sock, (struct sockaddr *)&address)) {
        if (address.ss_family == AF_INET)
            inet_ntop(AF_INET, &four->sin_addr, conn->peer, sizeof conn->peer);
        else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], conn->peer, sizeof conn->peer);
        else
            inet_ntop(AF_INET6, &six->sin6_addr, conn->peer, sizeof conn->peer);
    }
    conn->peer_size = strlen(conn->peer);
}

void conn_accept(struct loop *loop, h2o_socket_t *sock, bool tls)
{
    struct conn *conn = h2o_mem_alloc(sizeof *conn);
    *conn = (struct conn){ .loop = loop, .sock = sock, .tls = tls };
    conn->accepted_at = *h2o_get_timestamp(&loop->ctx, NULL, NULL);
    sock->on_close.cb = on_close;
    sock->on_close.data = conn;
    h2o_linklist_insert(&loop->conns, &conn->link);
    loop->conn_count++;
    note_peer(conn);
    if (!tls) {
        await_first(conn);
        return;
    }
    set_phase(conn, CONN_HANDSHAKE);
    h2o_socket_ssl_handshake(sock, loop->tls, NULL, on_handshake);
}

/* Timeouts */

static void sweep_head(struct conn *conn, int64_t now_ms)
{
    if (conn->seen ? now_ms - conn->since > HEAD_MS : now_ms - conn->since > IDLE_MS) {
        if (conn->seen)
            refuse(conn, 408, "the head did not come in time");
        else
            drop(conn, h2o_socket_error_closed);
    }
}

static void sweep_body(struct conn *conn, int64_t now_ms)
{
    size_t size = conn->sock->input->size;
    if (now_ms - conn->since < BODY_WINDOW_MS)
        return;
    if (size < conn->progress + BODY_WINDOW_BYTES)
        shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    conn->progress = size;
    conn->since = now_ms;
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
        if (!conn->guard->in_block)
            conn->since = now_ms;
        else if (now_ms - conn->since > HEAD_MS)
            conn_cut(conn);
        break;
    case CONN_PEN:
        if (now_ms - conn->since > PEN_MS) {
            shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
            drop(conn, h2o_socket_error_closed);
        }
        break;
    case CONN_LINGER:
        if (now_ms - conn->since > LINGER_MS)
            drop(conn, h2o_socket_error_closed);
        break;
    default:
        break;
    }
}

static bool idle(const struct conn *conn)
{
    return (conn->phase == CONN_HEAD || conn->phase == CONN_FIRST) && !conn->sock->input->size;
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
        else if (loop->stopping && idle(conn))
            drop(conn, h2o_socket_error_closed);
        else
            sweep_one(conn, now_ms);
    }
}
