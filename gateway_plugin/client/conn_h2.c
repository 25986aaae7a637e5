#include "client/conn_parts.h"

#include "client/unread.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sockets.h"
#include "process/body_spool.h"
#include "process/edge.h"

#include <h2o/http2.h>

enum {
    TURN_REQUESTS = 16,      /* that one turn begins, and the rest of those of the last connection */
    WAITING_MAX = 16 * 1024, /* bytes that wait for a later turn */
};

/* Bodies that are still coming are held by h2o: they count. */
static bool take_uploads(struct conn *conn)
{
    struct limits *limits = conn->loop->edge->limits;
    size_t uploading = conn->guard->uploading;
    if (uploading < conn->held)
        limits_body_give(limits, (int64_t)(conn->held - uploading));
    else if (uploading > conn->held && !limits_body_take(limits, (int64_t)(uploading - conn->held)))
        return false;
    conn->held = uploading;
    return true;
}

/* h2o would reset the stream where it finds no room. Not before its end can a request be answered: until then its body
 * stays in memory, where limits.h counts it. */
static void look_for_room(struct conn *conn, size_t coming)
{
    size_t held = conn->guard->uploading + coming;
    /* By doubling a buffer is a file before it holds as much. */
    if (held >= SPOOL_FROM / 4 && !body_spool_has_room(held > SPOOL_FROM ? (int64_t)held : SPOOL_FROM)) {
        body_spool_avoid();
        conn->no_room = true;
    }
}

static const char *guard(struct conn *conn, const char *data, size_t size)
{
    if (!conn->guard->uploading && !conn->requests)
        conn->no_room = false;
    const char *fault = h2_guard_read(conn->guard, data, size, clock_ms());
    look_for_room(conn, size);
    return fault || take_uploads(conn) ? fault : "uploads at a time";
}

/* What it sends from now on waits in the kernel, and then at the sender. */
void conn_pen(struct conn *conn, const char *fault)
{
    atomic_fetch_add_explicit(&conn->loop->edge->limits->refused, 1, memory_order_relaxed);
    if (loop_may_log(conn->loop))
        log_warn(NULL, "an HTTP/2 connection was cut off", "peer", conn->peer, "too many", fault);
    h2o_socket_read_stop(conn->sock);
    conn_set_phase(conn, CONN_PEN);
}

/* Answers go first: a turn begins a few requests, and then looks for answers again. What is under way at a time
 * (streams, connections to members) then is little enough for the processor's caches, and what waits does so as the
 * bytes in which it came. Turns follow each other at once, so a member that is slow makes nobody wait.
 * Bodies do not wait: they are counted as what h2o holds. */
static bool must_wait(const struct conn *conn)
{
    const struct loop *loop = conn->loop;
    return loop->begun >= TURN_REQUESTS && !loop->stopping && !conn->guard->upload_count &&
           conn->sock->input->size < WAITING_MAX;
}

static void hand_over(struct conn *conn, const char *err)
{
    if (h2o_linklist_is_linked(&conn->waiting))
        h2o_linklist_unlink(&conn->waiting);
    if (!err)
        unread_drop(conn);
    conn->inner(conn->sock, err);
    unread_look(conn);
    if (conn->phase != CONN_GONE)
        conn_mind_silence(conn);
}

static void on_frames(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = conn_of_socket(sock);
    if (err == h2o_socket_error_out_of_memory) {
        /* A burst was to become a file. What has been read is good, and the rest comes into memory. */
        body_spool_avoid();
        err = NULL;
    }
    size_t size = err ? 0 : sock->bytes_read;
    bool in_block = conn->guard->in_block;
    const char *fault = size ? guard(conn, sock->input->bytes + sock->input->size - size, size) : NULL;
    /* Once h2o has said its last GOAWAY it reads a CONTINUATION over and over, and never comes back. */
    if (!fault && size && in_block && conn->loop->stopping)
        fault = "frames of a head when it is too late";
    if (fault) {
        conn_pen(conn, fault);
        return;
    }
    if (!err && must_wait(conn)) {
        if (!h2o_linklist_is_linked(&conn->waiting))
            h2o_linklist_insert(&conn->loop->waiting, &conn->waiting);
        return;
    }
    hand_over(conn, err);
}

void conn_hand_over(struct loop *loop)
{
    loop->begun = 0;
    while (!h2o_linklist_is_empty(&loop->waiting) && (loop->begun < TURN_REQUESTS || loop->stopping)) {
        struct conn *conn = H2O_STRUCT_FROM_MEMBER(struct conn, waiting, loop->waiting.next);
        if (conn->phase == CONN_H2)
            hand_over(conn, NULL);
        else
            h2o_linklist_unlink(&conn->waiting);
    }
}

void conn_mind_silence(struct conn *conn)
{
    /* Who is cut off in the midst of what h2o parses is read on by it when it has come to the end of that. */
    if (conn->phase == CONN_PEN)
        h2o_socket_read_stop(conn->sock);
    if ((conn->phase == CONN_H2 || conn->phase == CONN_PEN) && !h2o_socket_is_reading(conn->sock) &&
        !h2o_linklist_is_linked(&conn->silent))
        h2o_linklist_insert(&conn->loop->silent, &conn->silent);
}

void conn_watch_again(struct loop *loop)
{
    for (h2o_linklist_t *node = loop->silent.next, *next; node != &loop->silent; node = next) {
        struct conn *conn = H2O_STRUCT_FROM_MEMBER(struct conn, silent, node);
        next = node->next;
        if (conn->phase == CONN_PEN)
            h2o_socket_read_stop(conn->sock);
        if ((conn->phase == CONN_H2 || conn->phase == CONN_PEN) && !h2o_socket_is_reading(conn->sock))
            continue;
        h2o_linklist_unlink(node);
        if (conn->phase == CONN_H2)
            h2o_socket_read_start(conn->sock, on_frames);
    }
}

/* A write that the client never takes has no end, and h2o closes nothing before it is done. */
static void watch_writing(struct conn *conn, int64_t now_ms)
{
    h2o_socket_t *sock = conn->sock;
    int unsent = h2o_socket_is_writing(sock) ? socket_unsent(h2o_socket_get_fd(sock)) : 0;
    bool stands = unsent && unsent == conn->unsent;
    conn->unsent = unsent;
    if (!stands) {
        conn->stalled_since = now_ms;
    } else if (now_ms - conn->stalled_since > STALL_MS) {
        shutdown(h2o_socket_get_fd(sock), SHUT_RDWR);
    } else if (h2o_socket_is_reading(sock)) {
        /* h2o reads on when it has written. */
        h2o_socket_read_stop(sock);
        conn_mind_silence(conn);
    }
}

/* As with HTTP/1 a body may take its time as long as it grows. Who is being answered is left alone. */
static void watch_uploads(struct conn *conn, int64_t now_ms)
{
    bool idle = !conn->guard->upload_count || conn->requests;
    if (idle || conn->guard->received != conn->progress) {
        conn->progress = conn->guard->received;
        conn->grown_since = now_ms;
    } else if (now_ms - conn->grown_since > BODY_IDLE_MS) {
        shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    }
}

void conn_sweep_h2(struct conn *conn, int64_t now_ms)
{
    watch_writing(conn, now_ms);
    watch_uploads(conn, now_ms);
    if (!conn->guard->in_block)
        conn->since = now_ms;
    else if (now_ms - conn->since > HEAD_MS)
        conn_cut(conn);
}

void conn_start_h2(struct conn *conn)
{
    struct loop *loop = conn->loop;
    h2o_socket_t *sock = conn->sock;
    conn_set_phase(conn, CONN_H2);
    conn->grown_since = conn->since;
    conn->guard = h2o_mem_alloc(sizeof *conn->guard);
    h2_guard_start(conn->guard);
    const char *fault = guard(conn, sock->input->bytes, sock->input->size);
    if (fault) {
        conn_pen(conn, fault);
        return;
    }
    /* What has come is shown to h2o when its callback is known: who is cut off at once is cut off by that. */
    h2o_accept_ctx_t accept = { .ctx = &loop->ctx, .hosts = loop->hosts };
    size_t size = sock->input->size;
    sock->input->size = 0;
    h2o_http2_accept(&accept, sock, conn->accepted_at);
    sock->input->size = size;
    conn->inner = sock->_cb.read;
    h2o_socket_read_start(sock, on_frames);
    conn->inner(sock, NULL);
    unread_look(conn);
    if (conn->phase == CONN_GONE)
        return;
    conn_mind_silence(conn);
    if (loop->stopping)
        loop_say_goaway(loop);
}
