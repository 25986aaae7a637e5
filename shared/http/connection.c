#include "http/connection.h"

#include "base/clock.h"
#include "base/sockets.h"
#include "http/target.h"

#include <string.h>

enum {
    LINGER_MS = 2000,
    DRAIN_IDLE_MS = 500, /* while draining: a request may be on its way to an idle connection */
    FRAMING = 64 * 1024  /* of chunks not yet decoded, beyond what the body may have */
};

static void on_read(h2o_socket_t *sock, const char *err);

static void hook(struct connection *connection)
{
    h2o_socket_t *sock = connection->sock;
    if (sock->_cb.read && sock->_cb.read != on_read && !connection->lingering) {
        connection->read = sock->_cb.read;
        sock->_cb.read = on_read;
    }
}

/* Lets h2o end the connection; `connection` is gone afterwards. */
static void end(struct connection *connection)
{
    if (connection->sock->_cb.read)
        connection->read(connection->sock, h2o_socket_error_closed);
    else
        shutdown(h2o_socket_get_fd(connection->sock), SHUT_RDWR); /* h2o is writing: it fails at once */
}

static void on_close(void *data)
{
    struct connection *connection = data;
    struct loop *loop = connection->loop;
    h2o_timeout_unlink(&connection->rehook);
    h2o_linklist_unlink(&connection->link);
    loop->connection_count--;
    atomic_fetch_sub(&loop->server->connections, 1);
    if (loop->current == connection)
        loop->current = NULL;
    free(connection->refusal);
    free(connection);
}

/* Something has moved: the clock of the present state begins again. */
static void touch(struct connection *connection)
{
    connection->since_ms = clock_ms();
    connection->seen = connection->sock->input->size;
}

static void linger_read(h2o_socket_t *sock, const char *err)
{
    struct connection *connection = sock->on_close.data;
    if (err || !socket_forget_unread(h2o_socket_get_fd(sock)))
        connection->read(sock, err ? err : h2o_socket_error_closed);
}

static void refusal_written(h2o_socket_t *sock, const char *err)
{
    struct connection *connection = sock->on_close.data;
    if (err)
        end(connection);
    else
        shutdown(h2o_socket_get_fd(sock), SHUT_WR);
}

static char *refusal_text(struct request *req, unsigned allowed, bool is_head)
{
    struct response *res = respond_error(req);
    if (allowed)
        response_header(req, res, "Allow", allow_text(&req->ctx.arena, allowed));
    struct buf out = BUF(&req->ctx.arena);
    char date[H2O_TIMESTR_RFC1123_LEN + 1];
    struct tm now;
    h2o_time2str_rfc1123(date, gmtime_r(&(time_t){ time(NULL) }, &now));
    buf_printf(
        &out,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\ncontent-type: application/json\r\nContent-Length: %zu\r\n",
        res->status, status_text(res->status), date, res->size);
    buf_printf(&out, "x-request-id: %s\r\ntraceparent: %s\r\n", req->ctx.request_id, req->ctx.traceparent);
    for (const struct pair *header = res->headers; header && header->name; header++)
        buf_printf(&out, "%s: %s\r\n", header->name, header->value);
    buf_printf(&out, "\r\n%s", is_head ? "" : res->body);
    char *text = strdup(out.data);
    if (!text)
        abort();
    return text;
}

static const char *text_of(struct arena *arena, const char *text, size_t size)
{
    return text ? arena_memdup(arena, text, size) : NULL;
}

/* Answers in h2o's place, then reads on without keeping, so that no reset overtakes the answer. */
static void refuse(struct connection *connection, const struct head *head, enum error_code code, unsigned allowed,
                   const char *why)
{
    struct loop *loop = connection->loop;
    struct request req = { .body_fd = -1 };
    struct arena *arena = &req.ctx.arena;
    req.ctx.request_id = trace_request_id(&loop->ids, arena, text_of(arena, head->request_id, head->request_id_size));
    req.ctx.traceparent = trace_parent(&loop->ids, arena, text_of(arena, head->traceparent, head->traceparent_size));
    ctx_fail(&req.ctx, code, "%s", why);
    bool is_head = head->method_size == 4 && memcmp(head->method, "HEAD", 4) == 0;
    connection->refusal = refusal_text(&req, allowed, is_head);
    ctx_finish(&req.ctx);
    count_request(loop->server, &loop->server->rows[loop->server->route_count], 0, error_http_status(code), 0);

    h2o_socket_t *sock = connection->sock;
    connection->lingering = true;
    connection->since_ms = clock_ms();
    h2o_buffer_consume(&sock->input, sock->input->size);
    /* Not read by h2o: where it found no room for this body, it would find none for the rest of it. */
    h2o_socket_dont_read(sock, 1);
    h2o_socket_read_start(sock, linger_read);
    h2o_iovec_t out = h2o_iovec_init(connection->refusal, strlen(connection->refusal));
    h2o_socket_write(sock, &out, 1, refusal_written);
}

/* Whether a request with a body of this route and size is worth reading; refuses it where not. */
static bool body_welcome(struct connection *connection, const struct head *head)
{
    struct server *server = connection->loop->server;
    struct ctx ctx = { 0 };
    const char *path = NULL;
    const struct pair *query, *params;
    unsigned allowed = 0;
    const struct route *route = NULL;
    bool parsed = target_parse(&ctx, head->target, head->target_size, &path, &query);
    if (parsed)
        route = route_match(server->routes, method_of(head->method, head->method_size), path, &ctx.arena, &params,
                            &allowed);
    ctx_finish(&ctx);
    connection->body_max = route ? server->rows[route - server->routes].body_max : BODY_DEFAULT;
    if (head->length <= (int64_t)connection->body_max) {
        if (spool_has_room(server, head->length, route && route->body_to_file))
            return true;
        refuse(connection, head, ERROR_DISK_FULL, 0, "there is no room for the body");
    } else if (route || !parsed) {
        refuse(connection, head, ERROR_TOO_LARGE, 0, "the body is too large");
    } else {
        refuse(connection, head, allowed ? ERROR_METHOD_NOT_ALLOWED : ERROR_NOT_FOUND, allowed, unrouted_text(allowed));
    }
    return false;
}

/* False: not all of the head is there, or the request has been refused. */
static bool head_welcome(struct connection *connection)
{
    h2o_buffer_t *input = connection->sock->input;
    struct head head;
    enum head_state state = head_scan(input->bytes, input->size, &head);
    if (state == HEAD_BAD)
        refuse(connection, &head, ERROR_INVALID, 0, head.reason);
    else if (state == HEAD_TOO_LARGE)
        refuse(connection, &head, ERROR_HEAD_TOO_LARGE, 0, "the head of the request is too large");
    if (state != HEAD_OK)
        return false;
    connection->head_known = true;
    connection->head_size = head.size;
    return (head.length <= 0 && !head.chunked) || body_welcome(connection, &head);
}

static void refuse_known(struct connection *connection, enum error_code code, const char *why)
{
    struct head head;
    head_scan(connection->sock->input->bytes, connection->sock->input->size, &head);
    refuse(connection, &head, code, 0, why);
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct connection *connection = sock->on_close.data;
    struct loop *loop = connection->loop;
    if (err == h2o_socket_error_out_of_memory && !connection->job) {
        refuse_known(connection, ERROR_DISK_FULL, "there is no room for the body");
        return;
    }
    if (err) {
        connection->read(sock, err);
        return;
    }
    if (connection->head_known || connection->seen == 0)
        touch(connection);
    if (!connection->head_known && !head_welcome(connection))
        return;
    loop->current = connection;
    connection->read(sock, NULL);
    if (loop->current != connection || connection->job || h2o_socket_is_writing(sock))
        return;
    /* A body in chunks: its size shows as it comes. */
    if (sock->input->size > connection->head_size + connection->body_max + FRAMING)
        refuse_known(connection, ERROR_TOO_LARGE, "the body is too large");
}

static void on_rehook(h2o_timeout_entry_t *entry)
{
    hook(H2O_STRUCT_FROM_MEMBER(struct connection, rehook, entry));
}

void connection_begin(struct loop *loop, h2o_socket_t *sock)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    connection->loop = loop;
    connection->sock = sock;
    connection->rehook.cb = on_rehook;
    connection->body_max = BODY_DEFAULT;
    sock->on_close.cb = on_close;
    sock->on_close.data = connection;
    h2o_linklist_insert(&loop->connections, &connection->link);
    loop->connection_count++;
    atomic_fetch_add(&loop->server->connections, 1);
    touch(connection);
    hook(connection);
}

struct connection *connection_of(h2o_req_t *h2o)
{
    return h2o->conn->callbacks->get_socket(h2o->conn)->on_close.data;
}

void connection_request_began(struct connection *connection, struct http_job *job)
{
    connection->job = job;
    touch(connection);
}

void connection_request_ended(struct connection *connection)
{
    connection->job = NULL;
    connection->head_known = false;
    connection->body_max = BODY_DEFAULT;
    connection->seen = 0;
    connection->since_ms = clock_ms();
    if (!h2o_timeout_is_linked(&connection->rehook))
        h2o_timeout_link(connection->loop->evloop, &connection->loop->context.zero_timeout, &connection->rehook);
}

const struct address *connection_peer(struct connection *connection, bool *trusted)
{
    if (!connection->peer_known) {
        struct sockaddr_storage sa = { 0 };
        if (h2o_socket_getpeername(connection->sock, (struct sockaddr *)&sa) > 0)
            address_of_socket((struct sockaddr *)&sa, &connection->address);
        connection->trusted = networks_have(connection->loop->server->trusted, &connection->address);
        connection->peer_known = true;
    }
    *trusted = connection->trusted;
    return &connection->address;
}

/* An answer is on its way: cut when the peer takes none of it. */
static void sweep_answer(struct connection *connection, int64_t now)
{
    h2o_socket_t *sock = connection->sock;
    int unsent = socket_unsent(h2o_socket_get_fd(sock));
    if (!h2o_socket_is_writing(sock) || unsent != connection->unsent || sock->bytes_written != connection->written) {
        connection->since_ms = now;
        connection->unsent = unsent;
        connection->written = sock->bytes_written;
    }
    if (now - connection->since_ms > connection->loop->server->options.take_ms)
        shutdown(h2o_socket_get_fd(sock), SHUT_RDWR);
    else if (!h2o_socket_is_writing(sock))
        source_sweep(connection->job);
}

/* The kernel may hold a request that has come since we last read. */
static bool has_come(const struct connection *connection)
{
    return socket_has_unread(h2o_socket_get_fd(connection->sock));
}

static void sweep_request(struct connection *connection, int64_t now)
{
    const struct server_options *options = &connection->loop->server->options;
    size_t size = connection->sock->input->size;
    int64_t waited = now - connection->since_ms;
    if (size == 0) {
        bool draining = connection->loop->stage != STAGE_RUNNING &&
                        now - connection->loop->draining_since_ms > DRAIN_IDLE_MS;
        if (waited > (draining ? DRAIN_IDLE_MS : options->stall_ms) && !has_come(connection))
            end(connection);
    } else if (connection->seen == 0) {
        touch(connection); /* it came with the request before */
    } else if (!connection->head_known && waited > options->head_ms) {
        refuse_known(connection, ERROR_TIMEOUT, "the head of the request took too long");
    } else if (connection->head_known && size != connection->seen) {
        touch(connection);
    } else if (connection->head_known && waited > options->stall_ms) {
        refuse_known(connection, ERROR_TIMEOUT, "the body of the request took too long");
    }
}

static void sweep(struct connection *connection, int64_t now)
{
    hook(connection);
    if (connection->lingering) {
        if (now - connection->since_ms > LINGER_MS)
            end(connection);
    } else if (connection->job && connection->job->with_worker && now > connection->job->overdue_ms) {
        answer_overdue(connection->job);
    } else if (connection->job) {
        sweep_answer(connection, now);
    } else if (!h2o_socket_is_writing(connection->sock)) {
        sweep_request(connection, now);
    }
}

void connections_sweep(struct loop *loop)
{
    int64_t now = clock_ms();
    for (h2o_linklist_t *at = loop->connections.next, *next; at != &loop->connections; at = next) {
        next = at->next;
        sweep(H2O_STRUCT_FROM_MEMBER(struct connection, link, at), now);
    }
}

void connections_cut(struct loop *loop)
{
    for (h2o_linklist_t *at = loop->connections.next, *next; at != &loop->connections; at = next) {
        next = at->next;
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, at);
        if (!connection->job) {
            end(connection);
            continue;
        }
        shutdown(h2o_socket_get_fd(connection->sock), SHUT_RDWR);
        if (!h2o_socket_is_writing(connection->sock))
            source_cut(connection->job);
    }
}
