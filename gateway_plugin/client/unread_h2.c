#include "client/unread.h"

#include "client/conn_parts.h"
#include "client/h2_names.h"
#include "exchange/exchange.h"
#include "process/edge.h"

#include <h2o/http2.h>
#include <h2o/http2_internal.h>

static h2o_http2_conn_t *inside(const struct conn *conn)
{
    return conn->sock->data;
}

/* What the client has sent for nothing it may send again: of the whole connection, not of the stream. */
static void give_window(struct conn *conn, size_t size)
{
    h2o_http2_conn_t *h2 = inside(conn);
    if (!size || h2->state >= H2O_HTTP2_CONN_STATE_IS_CLOSING)
        return;
    h2o_http2_encode_window_update_frame(&h2->_write.buf, 0, (int32_t)size);
    h2o_http2_conn_request_write(h2);
}

/* Of a frame that is being thrown away, what has come since. */
static size_t drop_rest(struct conn *conn, h2o_buffer_t *input)
{
    size_t part = conn->unread_left < input->size ? conn->unread_left : input->size;
    conn->unread_left -= part;
    return part;
}

void unread_drop(struct conn *conn)
{
    h2o_buffer_t *input = conn->sock->input;
    size_t at, kept = 0, dropped = 0;
    if (!conn->guard->unread_count && !conn->unread_left)
        return;
    /* h2o has read all whole frames: one begins here. */
    for (at = drop_rest(conn, input); input->size - at >= H2O_HTTP2_FRAME_HEADER_SIZE;) {
        const uint8_t *head = (const uint8_t *)input->bytes + at;
        size_t length = h2o_http2_decode24u(head), whole = H2O_HTTP2_FRAME_HEADER_SIZE + length;
        size_t part = whole < input->size - at ? whole : input->size - at;
        if (head[3] == H2O_HTTP2_FRAME_TYPE_DATA &&
            h2_guard_unread(conn->guard, h2o_http2_decode32u(head + 5) & INT32_MAX)) {
            dropped += length;
            conn->unread_left = whole - part;
        } else {
            memmove(input->bytes + kept, head, part);
            kept += part;
        }
        at += part;
    }
    memmove(input->bytes + kept, input->bytes + at, input->size - at);
    input->size -= at - kept;
    give_window(conn, dropped);
}

/* An empty DATA frame, before whatever there is of the next one. */
static void end_body(struct conn *conn, uint32_t stream)
{
    uint8_t frame[H2O_HTTP2_FRAME_HEADER_SIZE];
    h2o_http2_encode_frame_header(frame, 0, H2O_HTTP2_FRAME_TYPE_DATA, H2O_HTTP2_FRAME_FLAG_END_STREAM,
                                  (int32_t)stream);
    h2o_socket_t *sock = conn->sock;
    h2o_buffer_reserve(&sock->input, sizeof frame);
    memmove(sock->input->bytes + sizeof frame, sock->input->bytes, sock->input->size);
    memcpy(sock->input->bytes, frame, sizeof frame);
    sock->input->size += sizeof frame;
    conn->inner(sock, NULL);
}

static void stop_reading(struct conn *conn, h2o_http2_stream_t *stream)
{
    conn->unread = true;
    conn->unread_stream = stream->stream_id;
    conn->told = stream->_expected_content_length == SIZE_MAX ? 0 : stream->_expected_content_length;
    stream->_expected_content_length = SIZE_MAX;
    uint32_t id = stream->stream_id;
    h2_guard_stop_reading(conn->guard, id);
    end_body(conn, id);
    conn->unread = false;
}

/* NULL: h2o does not wait for a body on it. */
static h2o_http2_stream_t *waiting(struct conn *conn, uint32_t id)
{
    if (conn->phase != CONN_H2 || inside(conn)->state >= H2O_HTTP2_CONN_STATE_HALF_CLOSED)
        return NULL;
    h2o_http2_stream_t *stream = h2o_http2_conn_get_stream(inside(conn), id);
    return stream && stream->state == H2O_HTTP2_STREAM_STATE_RECV_BODY ? stream : NULL;
}

static uint64_t most_of(struct conn *conn, h2o_http2_stream_t *stream)
{
    int status;
    return h2_names_check(&stream->req, &status) ? UINT64_MAX : exchange_body_most(conn, &stream->req);
}

static void look_at_lengths(struct conn *conn, uint64_t least)
{
    struct h2_guard *guard = conn->guard;
    for (size_t i = 0; i < guard->opened_count; i++) {
        h2o_http2_stream_t *stream = waiting(conn, guard->opened[i]);
        if (stream && stream->_expected_content_length != SIZE_MAX && stream->_expected_content_length > least &&
            stream->_expected_content_length > most_of(conn, stream))
            stop_reading(conn, stream);
    }
    guard->opened_count = 0;
}

/* Those that told no length. */
static void look_at_bodies(struct conn *conn, uint64_t least)
{
    struct h2_guard *guard = conn->guard;
    for (size_t i = guard->upload_count; i-- > 0;) {
        struct h2_upload *upload = &guard->uploads[i];
        if (upload->bytes <= least || upload->looked == UINT64_MAX)
            continue;
        h2o_http2_stream_t *stream = waiting(conn, upload->stream);
        if (!stream)
            continue;
        if (!upload->looked)
            upload->looked = most_of(conn, stream);
        if (stream->_req_body->size > upload->looked)
            stop_reading(conn, stream);
    }
}

void unread_look(struct conn *conn)
{
    const struct config *config = conn->loop->config;
    if (conn->phase != CONN_H2 || conn->guard->in_block)
        return;
    if (!config || config->least_body == UINT64_MAX) {
        conn->guard->opened_count = 0;
        return;
    }
    look_at_lengths(conn, config->least_body);
    look_at_bodies(conn, config->least_body);
}

static const h2o_http2_stream_t *stream_of(const struct exchange *x)
{
    return H2O_STRUCT_FROM_MEMBER(const h2o_http2_stream_t, req, x->req);
}

bool unread_is(const struct exchange *x)
{
    return stream_of(x)->stream_id == x->conn->unread_stream;
}

bool unread_length_told(const struct exchange *x)
{
    return stream_of(x)->_expected_content_length != SIZE_MAX;
}

void unread_over(struct conn *conn, const struct exchange *x)
{
    enum { ROOM = sizeof conn->unread_over / sizeof *conn->unread_over };
    if (conn->phase != CONN_H2 || conn->unread_over_count == ROOM)
        return;
    conn->unread_over[conn->unread_over_count++] = stream_of(x)->stream_id;
    if (!h2o_linklist_is_linked(&conn->finished))
        h2o_linklist_insert(&conn->loop->finished, &conn->finished);
}

void unread_tell(struct conn *conn)
{
    /* The socket is there in this phase only. */
    h2o_http2_conn_t *h2 = conn->unread_over_count && conn->phase == CONN_H2 ? inside(conn) : NULL;
    if (h2 && h2->state < H2O_HTTP2_CONN_STATE_IS_CLOSING) {
        for (unsigned i = 0; i < conn->unread_over_count; i++)
            h2o_http2__encode_rst_stream_frame(&h2->_write.buf, conn->unread_over[i], 0);
        h2o_http2_conn_request_write(h2);
    }
    conn->unread_over_count = 0;
}
