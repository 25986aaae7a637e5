#include "http/server_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/status.h"

#include <string.h>

const char *status_text(int status)
{
    const char *reason = http_reason(status);
    return reason ? reason : "Unknown";
}

/* `name` stays where it is: literals, or the job's arena. A value that could end its line is left out. */
static void add_header(h2o_req_t *h2o, const char *name, const char *value)
{
    if (value && !strpbrk(value, "\r\n"))
        h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name, strlen(name), 1, NULL, value, strlen(value));
}

/* Who keeps answers must not give one person's language to the next (RFC 9110, 12.5.5). */
static void add_language(h2o_req_t *h2o, const struct response *res)
{
    if (!res->language)
        return;
    h2o_add_header(&h2o->pool, &h2o->res.headers, H2O_TOKEN_CONTENT_LANGUAGE, NULL, res->language,
                   strlen(res->language));
    h2o_add_header(&h2o->pool, &h2o->res.headers, H2O_TOKEN_VARY, NULL, H2O_STRLIT("accept-language"));
}

static void add_headers(struct http_job *job)
{
    const struct response *res = job->res;
    bool has_body = res->status != 204 && res->status != 304;
    if (has_body)
        add_header(job->h2o, "content-type", res->content_type ? res->content_type : "application/json");
    add_header(job->h2o, "x-request-id", job->req.ctx.request_id);
    add_header(job->h2o, "traceparent", job->req.ctx.traceparent);
    add_language(job->h2o, res);
    for (const struct pair *header = res->headers; header && header->name; header++)
        add_header(job->h2o, header->name, header->value);
}

static void send_body(struct http_job *job)
{
    static h2o_generator_t whole = { NULL, NULL };
    h2o_req_t *h2o = job->h2o;
    const struct response *res = job->res;
    bool bodiless = res->status == 204 || res->status == 304;
    h2o->res.content_length = bodiless ? SIZE_MAX : res->size;
    h2o_start_response(h2o, &whole);
    h2o_iovec_t body = h2o_iovec_init(res->body, res->size);
    bool with_body = res->size > 0 && !bodiless && job->req.method != HEAD;
    h2o_send(h2o, &body, with_body ? 1 : 0, H2O_SEND_STATE_FINAL);
}

/* What the client is not told the operator is; an outage once a second at the most. */
static void log_error_of(const struct http_job *job)
{
    const struct error *error = job->req.ctx.error;
    if (!error || job->res->status < 500)
        return;
    if (error->code == ERROR_INTERNAL || error->code == ERROR_DISK_FULL) {
        log_failure(LOG_ERROR, &job->req.ctx, "a request failed");
        return;
    }
    int64_t now = clock_ms();
    if (now - job->loop->outage_logged_ms < 1000)
        return;
    job->loop->outage_logged_ms = now;
    log_failure(LOG_WARN, &job->req.ctx, "a request could not be answered");
}

static void keep(struct http_job *job)
{
    struct server *server = job->loop->server;
    if (job->kept_key && job->generation == atomic_load(&server->generations[job->row->cache]))
        answers_keep(job->loop->answers, job->kept_key, job->generation, job->res);
}

void answer_send(struct http_job *job)
{
    h2o_req_t *h2o = job->h2o;
    struct server *server = job->loop->server;
    source_begin(job);
    log_error_of(job);
    keep(job);
    count_request(server, job->row, job->req.method, job->res->status, clock_us() - job->started_us);
    h2o->res.status = job->res->status;
    h2o->res.reason = status_text(job->res->status);
    if (job->loop->stage != STAGE_RUNNING)
        h2o->http1_is_persistent = 0;
    add_headers(job);
    if (job->stream)
        source_send(job);
    else
        send_body(job);
}

/* The worker may be writing into the job: all that is sent lives with the h2o request. */
static void add_copy(h2o_req_t *h2o, const char *name, const char *value)
{
    if (value)
        add_header(h2o, name, h2o_strdup(&h2o->pool, value, SIZE_MAX).base);
}

void answer_overdue(struct http_job *job)
{
    static h2o_generator_t whole = { NULL, NULL };
    h2o_req_t *h2o = job->h2o;
    struct request req = { .ctx = { .request_id = job->req.ctx.request_id, .locale = job->req.ctx.locale },
                           .body_fd = -1 };
    ctx_fail(&req.ctx, ERROR_UNAVAILABLE, "there was no answer in time");
    const struct response *res = respond_error(&req);
    count_request(job->loop->server, job->row, job->req.method, res->status, clock_us() - job->started_us);
    log_failure(LOG_ERROR, &req.ctx, "a worker does not come back");
    h2o->res.status = res->status;
    h2o->res.reason = status_text(res->status);
    h2o->res.content_length = res->size;
    add_copy(h2o, "content-type", "application/json");
    add_copy(h2o, "x-request-id", job->req.ctx.request_id);
    add_copy(h2o, "traceparent", job->req.ctx.traceparent);
    add_language(h2o, res);
    for (const struct pair *header = res->headers; header && header->name; header++)
        add_copy(h2o, header->name, header->value);
    h2o_iovec_t body = h2o_strdup(&h2o->pool, res->body, res->size);
    bool with_body = job->req.method != HEAD;
    ctx_finish(&req.ctx);
    job_let_go(job);
    h2o_start_response(h2o, &whole);
    h2o_send(h2o, &body, with_body ? 1 : 0, H2O_SEND_STATE_FINAL);
}

void answer_error(struct http_job *job)
{
    job->res = respond_error(&job->req);
    answer_send(job);
}
