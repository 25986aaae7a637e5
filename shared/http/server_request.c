#include "http/connection.h"

#include "base/clock.h"
#include "base/text.h"
#include "http/locale.h"
#include "http/target.h"

#include <string.h>

enum { OVERDUE_MS = 500 }; /* past its deadline a worker has so long to say so itself */

/* Held by the h2o request: its end is the only word that the client has gone. */
struct link {
    struct http_job *job; /* NULL: let go */
    struct connection *connection;
};

void job_destroy(struct http_job *job)
{
    source_finish(job);
    spool_finish(job);
    if (job->req.body_fd >= 0)
        close(job->req.body_fd);
    /* The job itself lies in the arena. */
    struct arena arena = job->req.ctx.arena;
    arena_free(&arena);
}

static void on_request_end(void *data)
{
    struct link *link = data;
    connection_request_ended(link->connection);
    if (!link->job)
        return;
    link->job->h2o = NULL;
    if (!link->job->with_worker)
        job_destroy(link->job);
}

void job_let_go(struct http_job *job)
{
    job->link->connection->job = NULL;
    job->link->job = NULL;
    job->h2o = NULL;
}

static struct http_job *job_create(struct loop *loop, h2o_req_t *h2o)
{
    struct arena arena = { 0 };
    struct http_job *job = arena_new(&arena, struct http_job);
    job->req.ctx.arena = arena;
    job->loop = loop;
    job->h2o = h2o;
    job->row = &loop->server->rows[loop->server->route_count];
    job->started_us = clock_us();
    job->req.body_fd = -1;
    struct link *link = h2o_mem_alloc_shared(&h2o->pool, sizeof *link, on_request_end);
    *link = (struct link){ .job = job, .connection = connection_of(h2o) };
    job->link = link;
    connection_request_began(link->connection, job);
    return job;
}

static const char *text_of(struct arena *arena, h2o_iovec_t text)
{
    return arena_memdup(arena, text.base, text.len);
}

/* Names that only the edge may say, and its proof itself, which nobody needs to see. */
static bool is_edges(const char *name)
{
    return text_starts(name, "x-forwarded-") || text_starts(name, "x-consumer-") || strcmp(name, "forwarded") == 0 ||
           strcmp(name, "x-credential-identifier") == 0 || strcmp(name, "x-anonymous-consumer") == 0 ||
           strcmp(name, "x-tonearm-anonymous") == 0;
}

static void copy_headers(struct http_job *job)
{
    struct arena *arena = &job->req.ctx.arena;
    const h2o_headers_t *from = &job->h2o->headers;
    struct pair *headers = arena_array(arena, struct pair, from->size + 1);
    for (size_t i = 0; i < from->size; i++)
        headers[i] = (struct pair){ text_of(arena, *from->entries[i].name), text_of(arena, from->entries[i].value) };
    job->req.headers = headers;
}

/* The last one: a proxy adds its own behind what it was sent. */
static const char *last_header(const struct pair *headers, const char *name)
{
    const char *value = NULL;
    for (; headers->name; headers++)
        if (strcmp(headers->name, name) == 0)
            value = headers->value;
    return value;
}

/* Whether the peer is the edge; drops what it may not say otherwise. */
static void weigh_headers(struct http_job *job)
{
    struct pair *headers = (struct pair *)job->req.headers;
    const char *proof = request_header(&job->req, "x-tonearm-edge");
    job->from_edge = proof && job->loop->edge_secret && text_secret_equal(proof, job->loop->edge_secret);
    struct pair *to = headers;
    for (const struct pair *from = headers; from->name; from++) {
        bool dropped = strcmp(from->name, "x-tonearm-edge") == 0 || (!job->from_edge && is_edges(from->name));
        if (!dropped)
            *to++ = *from;
    }
    *to = (struct pair){ 0 };
    job->anonymous = job->from_edge && text_equal(request_header(&job->req, "x-tonearm-anonymous"), "1");
}

static void note_peer(struct http_job *job, const char *forwarded_for)
{
    struct address last;
    bool trusted = false;
    const struct address *address = connection_peer(connection_of(job->h2o), &trusted);
    if ((trusted || job->from_edge) && forwarded_last(forwarded_for, &last))
        address = &last;
    char *text = arena_alloc(&job->req.ctx.arena, ADDRESS_TEXT);
    address_write(address, text);
    job->req.peer = text;
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text && *text ? text : otherwise;
}

/* Where the client believes to be: as the edge says, else as it wrote itself. */
static void note_place(struct http_job *job)
{
    struct request *req = &job->req;
    const char *prefix = request_header(req, "x-forwarded-prefix");
    const char *scheme = request_header(req, "x-forwarded-proto");
    req->prefix = or_else(prefix, "");
    req->scheme = scheme && strcmp(scheme, "https") == 0 ? "https" : "http";
    req->host = or_else(request_header(req, "x-forwarded-host"), text_of(&req->ctx.arena, job->h2o->input.authority));
}

static bool read_target(struct http_job *job)
{
    h2o_iovec_t target = job->h2o->input.path;
    const char *mark = memchr(target.base, '?', target.len);
    if (mark)
        job->raw_query = h2o_iovec_init(mark + 1, target.len - (size_t)(mark + 1 - target.base));
    return target_parse(&job->req.ctx, target.base, target.len, &job->req.path, &job->req.query);
}

/* Requests that came right behind another have not been through connection.c. */
static bool check_head(struct http_job *job)
{
    struct connection *connection = connection_of(job->h2o);
    const h2o_buffer_t *input = connection->sock->input;
    struct head head;
    if (connection->head_known)
        return true;
    enum head_state state = head_scan(input->bytes, input->size, &head);
    if (state == HEAD_OK)
        return true;
    job->h2o->http1_is_persistent = 0;
    if (state == HEAD_BAD)
        return ctx_fail(&job->req.ctx, ERROR_INVALID, "%s", head.reason);
    return ctx_fail(&job->req.ctx, ERROR_HEAD_TOO_LARGE, "the head of the request is too large");
}

static bool copy_request(struct http_job *job)
{
    struct request *req = &job->req;
    struct arena *arena = &req->ctx.arena;
    req->method = method_of(job->h2o->input.method.base, job->h2o->input.method.len);
    copy_headers(job);
    req->ctx.request_id = trace_request_id(&job->loop->ids, arena, request_header(req, "x-request-id"));
    req->ctx.traceparent = trace_parent(&job->loop->ids, arena, request_header(req, "traceparent"));
    const char *forwarded_for = last_header(req->headers, "x-forwarded-for");
    weigh_headers(job);
    note_peer(job, forwarded_for);
    note_place(job);
    /* What is wrong with the head or the target is told in a language, too. */
    const char *accept = request_header(req, "accept-language");
    req->ctx.locale = locale_choose(NULL, accept);
    if (!check_head(job) || !read_target(job))
        return false;
    const char *asked = request_query(req, "locale");
    if (asked)
        req->ctx.locale = locale_choose(asked, accept);
    return true;
}

static bool find_route(struct http_job *job)
{
    struct request *req = &job->req;
    struct server *server = job->loop->server;
    unsigned allowed = 0;
    req->route = route_match(server->routes, req->method, req->path, &req->ctx.arena, &req->params, &allowed);
    if (!req->route) {
        ctx_fail(&req->ctx, allowed ? ERROR_METHOD_NOT_ALLOWED : ERROR_NOT_FOUND, "%s", unrouted_text(allowed));
        job->res = respond_error(req);
        if (allowed)
            response_header(req, job->res, "Allow", allow_text(&req->ctx.arena, allowed));
        return false;
    }
    job->row = &server->rows[req->route - server->routes];
    req->service = job->row->service;
    int64_t deadline_ms = req->route->deadline_ms ? req->route->deadline_ms : server->options.deadline_ms;
    req->ctx.deadline_ms = clock_ms() + deadline_ms;
    req->ctx.patience_ms = REQUEST_PATIENCE_MS;
    job->overdue_ms = req->ctx.deadline_ms + OVERDUE_MS;
    return true;
}

/* What an answer depends on: its address, its language, and where the client believes to be. NULL: too long to keep. */
static const char *kept_key(struct http_job *job)
{
    enum { KEY_MAX = 1024 };
    const struct request *req = &job->req;
    struct buf key = BUF(&job->req.ctx.arena);
    const char *parts[] = { req->prefix, req->scheme, req->host, req->ctx.locale, req->path };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buf_text(&key, parts[i]);
        buf_char(&key, '\n');
    }
    buf_add(&key, job->raw_query.base, job->raw_query.len);
    return key.size <= KEY_MAX ? key.data : NULL;
}

/* An answer of before, where one is kept and the request may have it unchecked. */
static bool answer_kept(struct http_job *job)
{
    if (job->row->cache < 0 || !(job->kept_key = kept_key(job)))
        return false;
    job->generation = atomic_load(&job->loop->server->generations[job->row->cache]);
    if (!access_is_free(job))
        return false;
    const struct kept *kept = answers_find(job->loop->answers, job->kept_key, job->generation, &job->h2o->pool);
    if (!kept)
        return false;
    struct response *res = respond_raw(&job->req, kept->status, kept->content_type, kept->body, kept->size);
    res->headers = kept->headers;
    res->language = kept->language;
    job->kept_key = NULL;
    job->res = res;
    answer_send(job);
    return true;
}

static void handle(struct http_job *job)
{
    struct request *req = &job->req;
    if (access_check(job))
        job->res = req->route->handler(req);
    if (!job->res)
        job->res = respond_error(req);
}

static void run_on_worker(struct job *base)
{
    struct http_job *job = H2O_STRUCT_FROM_MEMBER(struct http_job, job, base);
    if (ctx_left_ms(&job->req.ctx, 1) == 0) {
        ctx_fail(&job->req.ctx, ERROR_UNAVAILABLE, "too much to do, try again");
        job->res = respond_error(&job->req);
    } else {
        handle(job);
    }
    struct loop *loop = job->loop; /* the job is the loop's from the message on */
    loop_enter(loop);
    loop_post(loop, &job->message);
    loop_leave(loop);
}

void job_push(struct http_job *job)
{
    const struct server_options *options = &job->loop->server->options;
    struct workers *workers = job->req.route->heavy && options->heavy ? options->heavy : options->workers;
    job->job.run = run_on_worker;
    job->with_worker = true;
    job->loop->jobs++;
    if (workers_push(workers, LANE_HTTP, &job->job))
        return;
    job->with_worker = false;
    job->loop->jobs--;
    ctx_fail(&job->req.ctx, ERROR_UNAVAILABLE, "too much to do, try again");
    answer_error(job);
}

static void dispatch(struct http_job *job)
{
    struct request *req = &job->req;
    h2o_iovec_t entity = job->h2o->entity;
    if (entity.len > job->row->body_max) {
        ctx_fail(&req->ctx, ERROR_TOO_LARGE, "the body is too large");
        answer_error(job);
        return;
    }
    if (answer_kept(job))
        return;
    req->body_size = entity.len;
    if (req->route->body_to_file) {
        spool_start(job);
        return;
    }
    req->body = arena_memdup(&req->ctx.arena, entity.base, entity.len);
    if (req->route->on_loop && access_is_free(job)) {
        handle(job);
        answer_send(job);
    } else {
        job_push(job);
    }
}

int request_begin(h2o_handler_t *handler, h2o_req_t *h2o)
{
    (void)handler;
    struct http_job *job = job_create((struct loop *)h2o->conn->ctx, h2o);
    if (!copy_request(job))
        answer_error(job);
    else if (!find_route(job))
        answer_send(job);
    else
        dispatch(job);
    return 0;
}
