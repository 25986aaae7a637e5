#include "http/server_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

static const struct {
    int status;
    const char *text;
} statuses[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 507, "Insufficient Storage" },
};

enum { STATUSES = sizeof statuses / sizeof *statuses };
static_assert((int)STATUSES < (int)STATUSES_MAX, "server_count.c has no room for all of them");

size_t status_index(int status)
{
    size_t i = 0;
    while (i < STATUSES && statuses[i].status != status)
        i++;
    return i;
}

const char *status_text(int status)
{
    size_t index = status_index(status);
    return index < STATUSES ? statuses[index].text : "Unknown";
}

/* `name` stays where it is: literals, or the job's arena. A value that could end its line is left out. */
static void add_header(h2o_req_t *h2o, const char *name, const char *value)
{
    if (value && !strpbrk(value, "\r\n"))
        h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name, strlen(name), 1, NULL, value, strlen(value));
}

static void add_headers(struct http_job *job)
{
    const struct response *res = job->res;
    bool has_body = res->status != 204 && res->status != 304;
    if (has_body)
        add_header(job->h2o, "content-type", res->content_type ? res->content_type : "application/json");
    add_header(job->h2o, "x-request-id", job->req.ctx.request_id);
    add_header(job->h2o, "traceparent", job->req.ctx.traceparent);
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

void answer_error(struct http_job *job)
{
    job->res = respond_error(&job->req);
    answer_send(job);
}
