#include "subject/nats_route.h"

#include "base/catalogue.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "exchange/forward_rules.h"
#include "must.h"
#include "subject/nats_message.h"

#include "base/log.h"
#include "base/text.h"
#include "contract/subjects.h"

#include <string.h>

/* A reply on its way to the loop that asked. */
struct question {
    struct message message; /* first */
    struct exchange *x;     /* the loop's; NULL: the client has gone */
    struct loop *loop;
    struct arena arena; /* of the reply */
    struct bus_reply reply;
};

static void question_free(struct question *question)
{
    limits_question_give(question->loop->edge->limits);
    arena_free(&question->arena);
    free(question);
}

/* The client has gone: whoever answers, nobody listens. */
static void on_cancel(void *self)
{
    ((struct question *)self)->x = NULL;
}

static void on_forgotten(void *arena)
{
    arena_free(arena);
}

/* The reply lives as long as the request, whose headers and body point into it. */
static void keep_with_request(struct exchange *x, struct question *question)
{
    struct arena *kept = h2o_mem_alloc_shared(&x->req->pool, sizeof *kept, on_forgotten);
    *kept = question->arena;
    question->arena = (struct arena){ 0 };
}

static bool is_own(const char *name)
{
    return text_starts(name, "nats-") || text_starts(name, "tonearm-") || text_equal(name, "status") ||
           text_equal(name, "description");
}

static void add_field(struct reply_head *head, const char *name, const char *value)
{
    size_t name_size = strlen(name), value_size = strlen(value);
    if (head->count < HEADERS_MAX && is_token(name, name_size) && is_field_value(value, value_size))
        head->fields[head->count++] = (struct reply_field){ name, name_size, value, value_size };
}

/* What the service says of its answer, as the head that an HTTP service would have sent. */
static void make_head(const struct bus_reply *reply, int status, struct reply_head *head)
{
    bool typed = false;
    *head = (struct reply_head){ .status = status, .end = BODY_LENGTH, .length = reply->size };
    for (const struct pair *pair = reply->headers; pair->name; pair++) {
        if (is_own(pair->name))
            continue;
        typed |= text_equal(pair->name, "content-type");
        add_field(head, pair->name, pair->value);
    }
    if (!typed && reply->size)
        add_field(head, "content-type", "application/json");
}

/* A service may say another status of success. */
static int status_of(const struct bus_reply *reply)
{
    int64_t status;
    for (const struct pair *pair = reply->headers; pair->name; pair++)
        if (text_equal(pair->name, HEADER_STATUS) && text_number(pair->value, 599, &status) && status >= 200)
            return (int)status;
    return 200;
}

static const char *message_of(const struct bus_reply *reply)
{
    if (*reply->text)
        return reply->text;
    switch (reply->status) {
    case 503:
        return MESSAGE("the service has nobody who can be asked");
    case 504:
        return MESSAGE("the service did not answer in time");
    case 413:
        return MESSAGE("the body is too large: a NATS service takes 1 MiB");
    default:
        return MESSAGE("the service refused");
    }
}

/* To who keeps a copy. */
static void show(struct exchange *x, const struct reply_head *head, const struct bus_reply *reply)
{
    x->tap->head(x->tap, x, head);
    if (reply->size && exchange_has_body(x))
        x->tap->body(x->tap, x, reply->data, reply->size);
    x->tap->end(x->tap, x, true);
}

static void pass_on(struct exchange *x, const struct bus_reply *reply, int status)
{
    struct reply_head head;
    make_head(reply, status, &head);
    x->upstream_status = status;
    forward_reply(x, &head);
    if (x->tap)
        show(x, &head, reply);
    exchange_give(x, reply->data, reply->size);
}

/* The service's own word, or that there is none. */
static void refuse(struct exchange *x, const struct bus_reply *reply)
{
    if (*reply->text)
        x->upstream_status = reply->status;
    exchange_refuse(x, reply->status, message_of(reply));
}

static void answer(struct exchange *x, struct question *question)
{
    const struct bus_reply *reply = &question->reply;
    keep_with_request(x, question);
    if (reply->status == 200)
        pass_on(x, reply, status_of(reply));
    else if (reply->status < 400)
        exchange_refuse(x, 502, "the service's answer is malformed");
    else if (reply->size)
        pass_on(x, reply, reply->status);
    else
        refuse(x, reply);
}

static void log_outage(const struct exchange *x, const struct bus_reply *reply)
{
    if (reply->status >= 500 && loop_may_log(x->loop))
        log_warn(NULL, message_of(reply), "requestId", x->request_id, "service", x->route->service->name);
}

static void deliver(struct loop *loop, struct message *message)
{
    struct question *question = (struct question *)message;
    struct exchange *x = question->x;
    (void)loop;
    if (x) {
        x->cancel = NULL;
        log_outage(x, &question->reply);
        answer(x, question);
    }
    question_free(question);
}

static const struct pair *copy_headers(struct arena *arena, const struct pair *from)
{
    size_t count = 0;
    while (from[count].name)
        count++;
    struct pair *out = arena_array(arena, struct pair, count + 1);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct pair){ arena_strdup(arena, from[i].name), arena_strdup(arena, from[i].value) };
    return out;
}

/* On a thread of the bus. */
static void on_reply(void *self, const struct bus_reply *reply)
{
    struct question *question = self;
    struct arena *arena = &question->arena;
    question->reply = (struct bus_reply){ .status = reply->status,
                                          .text = arena_strdup(arena, reply->text),
                                          .data = reply->size ? arena_memdup(arena, reply->data, reply->size) : "",
                                          .size = reply->size,
                                          .headers = copy_headers(arena, reply->headers) };
    loop_send(question->loop, &question->message);
}

/* NULL: the question is on its way. */
static const char *ask(struct exchange *x, struct ctx *ctx, struct question *question, int *status)
{
    struct bus_message message = { 0 };
    struct block *scratch = loop_block(x->loop);
    const char *fault = nats_message_make(x, &ctx->arena, scratch->data, &message, status);
    /* The bus copies what it sends, so the scratch is free again. */
    if (!fault &&
        !bus_ask_with_headers(ctx, x->loop->edge->bus, &message, x->route->service->read_timeout, on_reply, question)) {
        *status = error_http_status(ctx->error->code);
        fault = *status == 413 ? MESSAGE("the body is too large: a NATS service takes 1 MiB")
                               : MESSAGE("the message bus is away or full");
    }
    loop_block_free(x->loop, scratch);
    return fault;
}

void nats_route_start(struct exchange *x)
{
    struct edge *edge = x->loop->edge;
    if (!edge->bus) {
        exchange_refuse(x, 503, "the service is asked over NATS, which is off");
        return;
    }
    if (!limits_question_take(edge->limits)) {
        exchange_refuse(x, 503, "too many questions at a time");
        return;
    }
    struct question *question = must(calloc(1, sizeof *question));
    *question = (struct question){ .message = { .run = deliver }, .x = x, .loop = x->loop };
    struct ctx ctx = { .request_id = "" }; /* it is among the headers */
    int status = 0;
    exchange_wait(x, on_cancel, question);
    const char *fault = ask(x, &ctx, question, &status);
    if (fault) {
        x->cancel = NULL;
        question_free(question);
        exchange_refuse(x, status, fault);
    }
    ctx_finish(&ctx);
}
