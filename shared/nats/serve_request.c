/* One request from NATS: from the delivery thread to a worker, and the answer back. */
#include "nats/serve_parts.h"

#include "base/catalogue.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "contract/subjects.h"
#include "http/locale.h"
#include "http/request_id.h"
#include "http/target.h"

#include <stdio.h>
#include <string.h>

enum { DEADLINE_MS = 5000, DEADLINE_MOST_MS = 60000 };
#define TIME_MOST_MS (INT64_C(1) << 50)

struct work {
    struct job job; /* first: the workers' */
    struct endpoint *endpoint;
    natsMsg *msg;
    int64_t deadline_ms; /* on clock_ms() */
};

void endpoint_failed(struct endpoint *endpoint, int status, const char *text)
{
    __atomic_add_fetch(&endpoint->errors, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&endpoint->of->mutex);
    snprintf(endpoint->last_error, sizeof endpoint->last_error, "%d:%s", status, text);
    pthread_mutex_unlock(&endpoint->of->mutex);
}

static void count(struct endpoint *endpoint, int status, int64_t begin_us)
{
    int64_t took_us = clock_us() - begin_us;
    __atomic_add_fetch(&endpoint->requests, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&endpoint->time_ns, (uint64_t)took_us * 1000, __ATOMIC_RELAXED);
    if (!endpoint->of->requests)
        return;
    char code[12];
    snprintf(code, sizeof code, "%d", status);
    sample_add(metric_sample(endpoint->of->requests, endpoint->subject->name, code, NULL), 1);
    sample_observe_us(metric_sample(endpoint->seconds, endpoint->subject->name, NULL), took_us);
}

/* Counted before it is sent: who has the answer finds it in the statistics. */
static void answer_error(struct ctx *ctx, struct endpoint *endpoint, const char *to, int status, const char *text,
                         const char *told, int64_t begin_us)
{
    char code[12];
    snprintf(code, sizeof code, "%d", status);
    const struct pair headers[] = { { "Nats-Service-Error", told }, { "Nats-Service-Error-Code", code }, { 0 } };
    struct bus_message message = { .subject = to, .data = "", .headers = headers };
    endpoint_failed(endpoint, status, text);
    count(endpoint, status, begin_us);
    if (!bus_publish_message(ctx, endpoint->of->bus, &message, NULL))
        log_failure(LOG_DEBUG, ctx, "nats: an answer was not sent"); /* the bus is away, and so is the asker */
}

static const struct pair none[] = { { 0 } };

/* A person asks through the edge; whoever else does gets English. */
static void note_language(struct request *req)
{
    const char *target = request_header(req, HEADER_PATH), *path;
    const struct pair *query = NULL;
    if (!target)
        return;
    const char *accept = request_header(req, "accept-language");
    if (target_parse(&req->ctx, target, strlen(target), &path, &query))
        req->query = query;
    else
        req->ctx.error = NULL; /* the handler reads no address */
    req->ctx.locale = locale_choose(req->query ? request_query(req, "locale") : NULL, accept);
    req->query = none;
}

static void fill(struct request *req, const struct work *work)
{
    struct arena *arena = &req->ctx.arena;
    req->headers = msg_headers(arena, work->msg);
    const char *id = request_header(req, "x-request-id"), *trace = request_header(req, "traceparent");
    req->ctx.request_id = request_id_valid(id) ? id : id_new(arena);
    req->ctx.traceparent = traceparent_valid(trace) ? trace : NULL;
    req->ctx.deadline_ms = work->deadline_ms;
    req->ctx.patience_ms = REQUEST_PATIENCE_MS;
    req->method = POST;
    req->path = natsMsg_GetSubject(work->msg);
    req->prefix = req->host = req->scheme = req->peer = "";
    req->params = req->query = none;
    req->body = natsMsg_GetData(work->msg);
    req->body_size = (size_t)natsMsg_GetDataLength(work->msg);
    req->body_fd = -1;
    req->address_fields = request_header(req, HEADER_FIELDS);
    req->service = work->endpoint->service;
    note_language(req);
}

static bool is_json(const char *text, size_t size)
{
    json_t *value = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    json_decref(value);
    return value != NULL;
}

static struct response *handle(struct request *req, const struct subject *subject)
{
    /* Where there is a table the handler reads the body by it, and finds that out itself. */
    if (!subject->in && req->body_size > 0 && !is_json(req->body, req->body_size))
        return ctx_fail(&req->ctx, ERROR_INVALID, "the message is not JSON");
    struct response *res = subject->handler(req);
    if (!res && !req->ctx.error)
        ctx_fail(&req->ctx, ERROR_INTERNAL, "something went wrong");
    return res;
}

enum { ANSWER_MAX = 1 << 20 };

static bool is_answer(struct request *req, const struct response *res)
{
    if (!res)
        return false;
    if (res->status >= 400)
        return ctx_fail(&req->ctx, error_of_status(res->status), "refused");
    return res->size <= ANSWER_MAX || ctx_fail(&req->ctx, ERROR_INTERNAL, "the answer has more than 1 MiB");
}

/* What a client may be told of an error: for a fault of ours only that there is one. */
static void answer(struct request *req, struct endpoint *endpoint, const char *to, const struct response *res,
                   int64_t begin_us)
{
    struct ctx *ctx = &req->ctx;
    if (!is_answer(req, res)) {
        const struct error *error = ctx->error;
        static const char ours[] = MESSAGE("something went wrong");
        bool internal = error->code == ERROR_INTERNAL;
        if (internal)
            log_failure(LOG_ERROR, ctx, endpoint->subject->name);
        answer_error(ctx, endpoint, to, error_http_status(error->code), internal ? ours : error->message,
                     internal ? catalogue_find(ctx->locale, ours) : error->told, begin_us);
        return;
    }
    count(endpoint, res->status, begin_us);
    const struct pair headers[] = { { "Content-Language", res->language }, { "Vary", "accept-language" }, { 0 } };
    struct bus_message message = {
        .subject = to, .data = res->body, .size = res->size, .headers = ctx->locale && res->language ? headers : NULL
    };
    if (!bus_publish_message(ctx, endpoint->of->bus, &message, NULL))
        log_failure(LOG_DEBUG, ctx, "nats: an answer was not sent");
}

static void finish(struct work *work)
{
    struct service *service = work->endpoint->of;
    natsMsg_Destroy(work->msg);
    free(work);
    pthread_mutex_lock(&service->mutex);
    if (--service->under_way == 0)
        pthread_cond_broadcast(&service->idle);
    pthread_mutex_unlock(&service->mutex);
}

static void run(struct job *job)
{
    struct work *work = (struct work *)job;
    struct endpoint *endpoint = work->endpoint;
    if (clock_ms() < work->deadline_ms) {
        int64_t begin = clock_us();
        struct request req = { 0 };
        fill(&req, work);
        struct response *res = handle(&req, endpoint->subject);
        answer(&req, endpoint, natsMsg_GetReply(work->msg), res, begin);
        ctx_finish(&req.ctx);
    }
    finish(work);
}

static bool number_of(natsMsg *msg, const char *name, int64_t *out)
{
    const char *header = msg_header(msg, name);
    return header && text_number(header, TIME_MOST_MS, out);
}

/* Who asks: the inbox of its connection, without the part that tells the question. */
static int64_t age_of(struct service *service, natsMsg *msg, int64_t sent_ms)
{
    char sender[128];
    const char *reply = natsMsg_GetReply(msg), *dot = reply ? strrchr(reply, '.') : NULL;
    snprintf(sender, sizeof sender, "%.*s", dot ? (int)(dot - reply) : 0, reply ? reply : "");
    return sender_clocks_age(service->senders, sender, sent_ms, clock_now_ms(), clock_ms());
}

/* On clock_ms(); 0: it has passed and nobody waits. Whose clock differs says how long it waits beside until when. */
static int64_t deadline_of(struct service *service, natsMsg *msg)
{
    int64_t unix_ms = 0, patience_ms = 0;
    if (!number_of(msg, "tonearm-deadline", &unix_ms))
        return clock_ms() + DEADLINE_MS;
    int64_t left = number_of(msg, "tonearm-patience", &patience_ms)
                       ? patience_ms - age_of(service, msg, unix_ms - patience_ms)
                       : unix_ms - clock_now_ms();
    if (left <= 0)
        return 0;
    return clock_ms() + (left < DEADLINE_MOST_MS ? left : DEADLINE_MOST_MS);
}

static void refuse(struct work *work)
{
    struct ctx ctx = { 0 };
    answer_error(&ctx, work->endpoint, natsMsg_GetReply(work->msg), 503, "too busy", "too busy", clock_us());
    ctx_finish(&ctx);
    finish(work);
}

/* The reply subject is the asker's choice: one that is not an inbox would make this service say something elsewhere in
 * its own name. */
static bool answerable(natsMsg *msg)
{
    const char *to = natsMsg_GetReply(msg);
    return to && text_starts(to, "_INBOX.");
}

bool request_arrived(void *self, natsMsg *msg)
{
    struct endpoint *endpoint = self;
    struct service *service = endpoint->of;
    int64_t deadline = deadline_of(service, msg);
    if (!deadline || !answerable(msg) || __atomic_load_n(&service->ended, __ATOMIC_ACQUIRE))
        return false;
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        abort();
    *work = (struct work){ .job = { .run = run }, .endpoint = endpoint, .msg = msg, .deadline_ms = deadline };
    pthread_mutex_lock(&service->mutex);
    service->under_way++;
    pthread_mutex_unlock(&service->mutex);
    if (endpoint->subject->on_delivery)
        run(&work->job);
    else if (!workers_push(service->workers, LANE_NATS, &work->job))
        refuse(work);
    return true;
}
