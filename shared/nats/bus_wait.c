/* Asking and waiting for the answer: on worker threads and on threads of our own, never on the bus's. */
#include "nats/bus_parts.h"

#include "base/buf.h"
#include "base/clock.h"

#include <string.h>

enum { CALL_MS = 2000 }; /* an outage is told within 2 s, whatever the deadline */

/* Held by who waits and by who answers: the last of them frees it. */
struct call {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    int holders;
    int status; /* 0 = none yet */
    struct arena arena;
    struct answer answer;
};

static struct call *call_create(void)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        abort();
    pthread_mutex_init(&call->mutex, NULL);
    cond_init(&call->done);
    call->holders = 2;
    return call;
}

static void call_release(struct call *call)
{
    pthread_mutex_lock(&call->mutex);
    bool last = --call->holders == 0;
    pthread_mutex_unlock(&call->mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&call->mutex);
    pthread_cond_destroy(&call->done);
    arena_free(&call->arena);
    free(call);
}

struct answer answer_copy(struct arena *arena, const struct answer *from)
{
    struct answer out = *from;
    out.text = arena_strdup(arena, from->text);
    out.subject = arena_strdup(arena, from->subject);
    out.reply = arena_strdup(arena, from->reply);
    out.data = from->data ? arena_memdup(arena, from->data, from->size) : NULL;
    return out;
}

struct answer answer_of(int status, natsMsg *msg)
{
    struct answer out = { .status = status, .text = "", .data = "", .subject = "", .reply = "" };
    if (!msg)
        return out;
    const char *text = msg_header(msg, "Nats-Service-Error"), *subject = msg_header(msg, "Nats-Subject");
    const char *sequence = msg_header(msg, "Nats-Sequence");
    out.text = text ? text : "";
    out.data = natsMsg_GetData(msg);
    out.size = (size_t)natsMsg_GetDataLength(msg);
    out.reply = natsMsg_GetReply(msg) ? natsMsg_GetReply(msg) : "";
    out.subject = subject ? subject : "";
    out.sequence = sequence ? strtoull(sequence, NULL, 10) : 0;
    return out;
}

static void call_answered(void *self, int status, natsMsg *msg)
{
    struct call *call = self;
    struct answer got = answer_of(status, msg);
    pthread_mutex_lock(&call->mutex);
    call->answer = answer_copy(&call->arena, &got);
    call->status = status;
    pthread_cond_signal(&call->done);
    pthread_mutex_unlock(&call->mutex);
    call_release(call);
}

static bool call_wait(struct ctx *ctx, struct call *call, int64_t until, struct answer *out)
{
    pthread_mutex_lock(&call->mutex);
    while (!call->status && cond_wait_until(&call->done, &call->mutex, until))
        continue;
    bool done = call->status != 0;
    if (done)
        *out = answer_copy(&ctx->arena, &call->answer);
    pthread_mutex_unlock(&call->mutex);
    return done;
}

/* Who is asked is for the log; the client is told no names. */
static bool away(struct ctx *ctx, const char *subject, const char *why)
{
    ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", subject, why);
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "a part of the system does not answer; try again soon");
}

bool bus_request(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                 struct answer *out)
{
    timeout_ms = ctx_left_ms(ctx, timeout_ms < CALL_MS ? timeout_ms : CALL_MS);
    int64_t until = clock_ms() + timeout_ms;
    struct call *call = call_create();
    if (!bus_ask_message(ctx, bus, message, timeout_ms, call_answered, call)) {
        call->holders = 1;
        call_release(call);
        return false;
    }
    bool done = call_wait(ctx, call, until, out);
    call_release(call);
    if (!done || out->status == 504)
        return away(ctx, message->subject, "no answer in time");
    if (out->status == 503)
        return away(ctx, message->subject, *out->text ? out->text : "nobody is there");
    return true;
}

bool bus_call(struct ctx *ctx, struct bus *bus, const char *subject, const struct field *in_fields, const void *in,
              const struct field *out_fields, void *out)
{
    struct buf body = BUF(&ctx->arena);
    if (in_fields)
        record_json(&body, in_fields, in);
    else
        buf_text(&body, "{}");
    struct bus_message message = { .subject = subject, .data = body.data, .size = body.size };
    struct answer answer;
    if (!bus_request(ctx, bus, &message, CALL_MS, &answer))
        return false;
    if (answer.status != 200)
        return ctx_fail(ctx, error_of_status(answer.status), "%s", *answer.text ? answer.text : "refused");
    if (out_fields && !record_parse(ctx, answer.data, answer.size, out_fields, out))
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: an answer that cannot be read", subject);
    return true;
}
