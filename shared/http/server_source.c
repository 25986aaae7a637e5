#include "http/server_parts.h"

#include "base/text.h"
#include "http/range.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

enum { CHUNK = 64 * 1024 }; /* what a slow reader holds */

struct stream {
    h2o_generator_t super;
    struct http_job *job;
    int64_t at, left;   /* of a file */
    h2o_socket_t *pipe; /* of unknown size; it owns the descriptor */
    char *buffer;
};

static void close_source(struct response *res)
{
    if (res->source.fd >= 0)
        close(res->source.fd);
    res->source.fd = -1;
}

static void close_pipe(struct stream *stream)
{
    if (stream->pipe)
        h2o_socket_close(stream->pipe);
    stream->pipe = NULL;
}

void source_finish(struct http_job *job)
{
    if (job->stream)
        close_pipe(job->stream);
    if (job->res)
        close_source(job->res);
}

static void not_modified(struct http_job *job, const char *etag)
{
    const struct pair *headers = job->res->headers;
    close_source(job->res);
    job->res = respond_raw(&job->req, 304, NULL, NULL, 0);
    job->res->headers = headers;
    response_header(&job->req, job->res, "etag", etag);
}

static void unsatisfiable(struct http_job *job, int64_t size)
{
    close_source(job->res);
    ctx_fail(&job->req.ctx, ERROR_RANGE, "the range lies behind the end");
    job->res = respond_error(&job->req);
    response_header(&job->req, job->res, "content-range",
                    arena_printf(&job->req.ctx.arena, "bytes */%lld", (long long)size));
}

/* What the client's conditions make of it. False: there is nothing left to stream. */
static bool apply_conditions(struct http_job *job, struct range *range)
{
    struct request *req = &job->req;
    struct source source = job->res->source;
    if (none_match(request_header(req, "if-none-match"), source.etag)) {
        not_modified(job, source.etag);
        return false;
    }
    enum range_kind kind = RANGE_NONE;
    if (req->method == GET && if_range(request_header(req, "if-range"), source.etag))
        kind = range_parse(request_header(req, "range"), source.size, range);
    if (kind == RANGE_UNSATISFIABLE) {
        unsatisfiable(job, source.size);
        return false;
    }
    response_header(req, job->res, "etag", source.etag);
    response_header(req, job->res, "accept-ranges", "bytes");
    if (kind == RANGE_PART) {
        job->res->status = 206;
        response_header(req, job->res, "content-range",
                        arena_printf(&req->ctx.arena, "bytes %lld-%lld/%lld", (long long)range->from,
                                     (long long)(range->from + range->size - 1), (long long)source.size));
    }
    return true;
}

static void file_proceed(h2o_generator_t *self, h2o_req_t *h2o)
{
    struct stream *stream = (struct stream *)self;
    int fd = stream->job->res->source.fd;
    size_t wanted = stream->left < CHUNK ? (size_t)stream->left : CHUNK;
    ssize_t got = 0;
    do
        got = pread(fd, stream->buffer, wanted, stream->at);
    while (got < 0 && errno == EINTR);
    if (got <= 0) { /* it has become shorter, or the disk fails: the client must see that it has not got all */
        h2o_send(h2o, NULL, 0, H2O_SEND_STATE_ERROR);
        return;
    }
    stream->at += got;
    stream->left -= got;
    if (stream->left > 0)
        posix_fadvise(fd, stream->at, 4 * CHUNK, POSIX_FADV_WILLNEED);
    h2o_iovec_t chunk = h2o_iovec_init(stream->buffer, (size_t)got);
    h2o_send(h2o, &chunk, 1, stream->left > 0 ? H2O_SEND_STATE_IN_PROGRESS : H2O_SEND_STATE_FINAL);
}

static void on_pipe(h2o_socket_t *pipe, const char *err)
{
    struct stream *stream = pipe->data;
    ssize_t got = err ? -1 : read(h2o_socket_get_fd(pipe), stream->buffer, CHUNK);
    if (got < 0 && !err && (errno == EAGAIN || errno == EINTR))
        return;
    h2o_socket_read_stop(pipe);
    h2o_req_t *h2o = stream->job->h2o;
    h2o_iovec_t chunk = h2o_iovec_init(stream->buffer, got > 0 ? (size_t)got : 0);
    if (got > 0) {
        h2o_send(h2o, &chunk, 1, H2O_SEND_STATE_IN_PROGRESS);
        return;
    }
    close_pipe(stream);
    h2o_send(h2o, NULL, 0, got == 0 ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_ERROR);
}

static void pipe_proceed(h2o_generator_t *self, h2o_req_t *h2o)
{
    (void)h2o;
    h2o_socket_read_start(((struct stream *)self)->pipe, on_pipe);
}

static void on_stop(h2o_generator_t *self, h2o_req_t *h2o)
{
    (void)h2o;
    close_pipe((struct stream *)self);
}

static void open_pipe(struct http_job *job, struct stream *stream)
{
    stream->super.proceed = pipe_proceed;
    stream->pipe = h2o_evloop_socket_create(job->loop->evloop, job->res->source.fd, H2O_SOCKET_FLAG_DONT_READ);
    stream->pipe->data = stream;
    job->res->source.fd = -1;
}

void source_begin(struct http_job *job)
{
    struct source source = job->res->source;
    if (source.fd < 0)
        return;
    struct range range = { 0, source.size };
    if (source.size >= 0 && source.etag && job->res->status == 200 && !apply_conditions(job, &range))
        return;
    job->res->size = source.size < 0 ? SIZE_MAX : (size_t)range.size;
    if (job->req.method == HEAD || source.size == 0)
        return;
    struct stream *stream = arena_new(&job->req.ctx.arena, struct stream);
    *stream = (struct stream){ .super = { file_proceed, on_stop }, .job = job, .at = range.from, .left = range.size };
    stream->buffer = arena_alloc(&job->req.ctx.arena, CHUNK);
    job->stream = stream;
    if (source.size < 0)
        open_pipe(job, stream);
}

void source_send(struct http_job *job)
{
    h2o_req_t *h2o = job->h2o;
    h2o->res.content_length = job->res->size;
    if (job->res->size == SIZE_MAX && h2o->version < 0x101)
        h2o->http1_is_persistent = 0; /* its end is the connection's */
    h2o_start_response(h2o, &job->stream->super);
    job->stream->super.proceed(&job->stream->super, h2o);
}

void source_cut(struct http_job *job)
{
    struct stream *stream = job->stream;
    if (!stream || !stream->pipe || !h2o_socket_is_reading(stream->pipe))
        return;
    close_pipe(stream);
    h2o_send(job->h2o, NULL, 0, H2O_SEND_STATE_ERROR);
}

void source_sweep(struct http_job *job)
{
    if (!job->stream || !job->stream->pipe)
        return;
    char byte;
    int fd = h2o_socket_get_fd(job->h2o->conn->callbacks->get_socket(job->h2o->conn));
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        source_cut(job);
}
