#include "client/conn_parts.h"

#include "base/catalogue.h"
#include "base/sockets.h"
#include "client/unread.h"
#include "exchange/answer.h"
#include "process/body_spool.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "exchange/told.h"

#include <errno.h>
#include <h2o/http1.h>

static void on_chunks(h2o_socket_t *sock, const char *err);
static const char no_room[] = MESSAGE("there is no room for the body");

/* Refusals: the answer is ours, h2o has not seen the head. */

void conn_on_linger(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    if (err || !socket_forget_unread(h2o_socket_get_fd(sock)))
        conn_drop(conn, h2o_socket_error_closed);
}

static void on_refused(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    free(conn->refusal);
    conn->refusal = NULL;
    if (err) {
        conn_drop(conn, err);
        return;
    }
    /* A socket closed with bytes unread is reset, and the client never reads why. */
    shutdown(h2o_socket_get_fd(sock), SHUT_WR);
    h2o_socket_dont_read(sock, 1);
    h2o_socket_read_start(sock, conn_on_linger);
}

void conn_refuse(struct conn *conn, int status, const char *reason)
{
    conn_set_phase(conn, CONN_LINGER);
    atomic_fetch_add_explicit(&conn->loop->edge->limits->refused, 1, memory_order_relaxed);
    h2o_socket_read_stop(conn->sock);
    const char *language = told_language_in(conn->sock->input->bytes, conn->sock->input->size);
    conn->refusal = answer_raw(status, language, reason, loop_random(conn->loop), loop_random(conn->loop),
                               loop_random(conn->loop), loop_random(conn->loop));
    h2o_iovec_t out = h2o_iovec_init(conn->refusal, strlen(conn->refusal));
    h2o_socket_write(conn->sock, &out, 1, on_refused);
}

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
    struct limits *limits = conn->loop->edge->limits;
    struct head *head = &conn->head;
    if (head->length > limits->body_max) {
        conn_refuse(conn, 413, answer_too_large);
        return false;
    }
    conn->body_most = unread_most(conn);
    conn->unread = head->length > 0 && (uint64_t)head->length > conn->body_most;
    if (conn->unread)
        return true;
    if (head->length >= SPOOL_FROM && !body_spool_has_room(head->length)) {
        conn_refuse(conn, 507, no_room);
        return false;
    }
    conn->held = head->chunked ? 0 : head->length > 0 ? (size_t)head->length : 0;
    if (conn->held && !limits_body_take(limits, (int64_t)conn->held)) {
        conn->held = 0;
        conn_refuse(conn, 503, "too many uploads at a time");
        return false;
    }
    return true;
}

/* Chunks are looked at before h2o decodes them where they lie. false: refused. */
static bool check_chunks(struct conn *conn, const char *data, size_t size)
{
    size_t used, payload;
    if (chunks_read(&conn->chunks, data, size, &used, NULL, &payload) == CHUNKS_BAD) {
        conn_refuse(conn, 400, "the chunked coding is broken");
        return false;
    }
    if (payload && !limits_body_take(conn->loop->edge->limits, (int64_t)payload)) {
        conn_refuse(conn, 503, "too many uploads at a time");
        return false;
    }
    conn->held += payload;
    if (conn->chunks.payload >= SPOOL_FROM && body_spool_avoided()) {
        conn_refuse(conn, 507, no_room);
        return false;
    }
    if (conn->chunks.payload <= (uint64_t)conn->loop->edge->limits->body_max && conn->chunks.payload <= conn->body_most)
        return true;
    conn_refuse(conn, 413, answer_too_large);
    return false;
}

/* Where h2o finds no room for what it reads, it would close the connection. false: refused, in words. */
static bool has_found_room(struct conn *conn, const char *err)
{
    if (err != h2o_socket_error_out_of_memory)
        return true;
    conn_refuse(conn, 507, no_room);
    return false;
}

static void on_body(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    if (has_found_room(conn, err))
        conn->inner(sock, err);
}

/* A request whose body nobody reads. */
static void give_unread(struct conn *conn)
{
    unread_hide(conn);
    conn->told = (uint64_t)conn->head.length;
    conn_set_phase(conn, CONN_BODY);
    give_to_h2o(conn);
    conn->unread = false;
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
    if (conn->unread) {
        give_unread(conn);
        return;
    }
    /* While h2o says 100 it takes its callback back: then the chunks pass unseen, and nothing is read after them. */
    conn->unsafe_body = head->chunked && head->expect;
    conn_set_phase(conn, CONN_BODY);
    give_to_h2o(conn);
    if (conn->phase != CONN_BODY || !conn->sock->_cb.read)
        return;
    conn->inner = conn->sock->_cb.read;
    if (head->chunked && !conn->unsafe_body)
        h2o_socket_read_start(conn->sock, on_chunks);
    else if (head->length >= SPOOL_FROM && !head->expect)
        h2o_socket_read_start(conn->sock, on_body);
}

void conn_on_head(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    if (err) {
        conn_drop(conn, err);
        return;
    }
    if (!conn->seen)
        conn->since = loop_now(conn->loop);
    switch (head_check(sock->input->bytes, sock->input->size, conn->seen, &conn->head)) {
    case HEAD_PARTIAL:
        conn->seen = sock->input->size;
        break;
    case HEAD_BAD:
        conn_refuse(conn, conn->head.status, conn->head.reason);
        break;
    case HEAD_GOOD:
        take_head(conn);
    }
}

void conn_on_begun_head(struct conn *conn)
{
    const h2o_buffer_t *input = conn->sock->input;
    conn->since = loop_now(conn->loop);
    switch (head_check(input->bytes, input->size, 0, &conn->head)) {
    case HEAD_PARTIAL:
        conn->seen = input->size;
        break;
    case HEAD_BAD:
        conn_refuse(conn, conn->head.status, conn->head.reason);
        break;
    case HEAD_GOOD:
        /* h2o waits for the body, and has decoded what chunks there were where they lay: nothing is read after them. */
        if (!admit_body(conn))
            return;
        if (conn->unread) {
            conn->unread = false;
            conn_refuse(conn, conn->head.expect ? 417 : 413, answer_too_large);
            return;
        }
        conn->checked = true;
        conn->unsafe_body = conn->head.chunked;
        conn_set_phase(conn, CONN_BODY);
        h2o_socket_read_start(conn->sock, conn->inner);
    }
}

static void on_chunks(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    size_t size = err ? 0 : sock->bytes_read;
    if (!has_found_room(conn, err))
        return;
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
        return conn->head.reason ? conn->head.reason : MESSAGE("the head is malformed");
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

void conn_watch(struct conn *conn, struct exchange *x)
{
    conn_set_phase(conn, CONN_BUSY);
    conn->exchange = x;
    conn->watched = true;
    /* That it is read without a pause also spares two calls of epoll_ctl a request. */
    h2o_socket_dont_read(conn->sock, 1);
    h2o_socket_read_start(conn->sock, on_busy);
}
