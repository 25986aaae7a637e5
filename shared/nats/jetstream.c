#include "nats/jetstream.h"

#include "base/clock.h"

#include <string.h>

enum { ASK_MS = 2000, READ_MS = 1500, IN_USE = 10058 };

struct js_error {
    int64_t code, err_code;
    const char *description;
};

static const struct field error_fields[] = {
    FIELD("code", INTEGER, struct js_error, code),
    FIELD("err_code", INTEGER, struct js_error, err_code),
    FIELD("description", TEXT, struct js_error, description),
    { 0 },
};

struct js_reply {
    struct js_error *error;
};

static const struct field reply_fields[] = {
    FIELD("error", RECORD, struct js_reply, error, .record = error_fields, .item_size = sizeof(struct js_error)),
    { 0 },
};

static enum error_code code_of(const struct js_error *error)
{
    if (error->err_code == IN_USE)
        return ERROR_CONFLICT;
    return error->code == 404 ? ERROR_NOT_FOUND : ERROR_UNAVAILABLE;
}

static bool read_reply(struct ctx *ctx, const struct answer *answer, const struct field *fields, void *out)
{
    struct js_reply reply = { 0 };
    if (!record_parse(ctx, answer->data, answer->size, reply_fields, &reply))
        return ctx_fail(ctx, ERROR_INTERNAL, "JetStream: an answer that cannot be read");
    if (reply.error)
        return ctx_fail(ctx, code_of(reply.error), "JetStream: %s",
                        reply.error->description ? reply.error->description : "refused");
    if (fields && !record_parse(ctx, answer->data, answer->size, fields, out))
        return ctx_fail(ctx, ERROR_INTERNAL, "JetStream: an answer that cannot be read");
    return true;
}

bool js_ask(struct ctx *ctx, struct bus *bus, const char *what, const struct buf *body, const struct field *fields,
            void *out)
{
    struct bus_message message = { .subject = arena_printf(&ctx->arena, "$JS.API.%s", what), .data = "" };
    if (body && body->size) {
        message.data = body->data;
        message.size = body->size;
    }
    struct answer answer;
    return bus_request(ctx, bus, &message, ASK_MS, &answer) && read_reply(ctx, &answer, fields, out);
}

struct js_state {
    int64_t first, last;
};

struct js_info {
    int64_t created;
    struct js_state *state;
};

static const struct field state_fields[] = {
    FIELD("first_seq", INTEGER, struct js_state, first),
    FIELD("last_seq", INTEGER, struct js_state, last),
    { 0 },
};

static const struct field info_fields[] = {
    FIELD("created", TIME, struct js_info, created, .required = true),
    FIELD("state", RECORD, struct js_info, state, .required = true, .record = state_fields,
          .item_size = sizeof(struct js_state)),
    { 0 },
};

bool js_stream_info(struct ctx *ctx, struct bus *bus, const char *stream, struct stream_info *out)
{
    struct js_info info = { 0 };
    if (!js_ask(ctx, bus, arena_printf(&ctx->arena, "STREAM.INFO.%s", stream), NULL, info_fields, &info))
        return false;
    *out = (struct stream_info){ info.created, (uint64_t)info.state->first, (uint64_t)info.state->last };
    if (out->first == 0)
        out->first = 1; /* nothing was ever in it */
    return true;
}

struct js_ack {
    const char *stream;
};

static const struct field ack_fields[] = {
    FIELD("stream", TEXT, struct js_ack, stream, .required = true),
    { 0 },
};

bool js_acknowledged(struct ctx *ctx, const struct answer *answer)
{
    struct js_ack ack = { 0 };
    return read_reply(ctx, answer, ack_fields, &ack);
}

bool js_publish(struct ctx *ctx, struct bus *bus, const char *subject, const char *data, size_t size, const char *id)
{
    const struct pair headers[] = { { "Nats-Msg-Id", id }, { 0 } };
    struct bus_message message = { .subject = subject, .data = data, .size = size, .headers = id ? headers : NULL };
    struct answer answer;
    return bus_request(ctx, bus, &message, ASK_MS, &answer) && js_acknowledged(ctx, &answer);
}

static struct stream_message message_of(const struct answer *answer)
{
    if (answer->status != 200 || !*answer->subject)
        return (struct stream_message){ 0 };
    return (struct stream_message){ answer->sequence, answer->subject, answer->data, answer->size };
}

/* "Direct get": answered by the stream itself, without a consumer. */
bool js_read(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t first, size_t count,
             struct stream_message *out)
{
    struct bus_message questions[JS_BATCH] = { 0 };
    struct answer answers[JS_BATCH] = { 0 };
    const char *subject = arena_printf(&ctx->arena, "$JS.API.DIRECT.GET.%s", stream);
    for (size_t i = 0; i < count; i++) {
        const char *body = arena_printf(&ctx->arena, "{\"seq\":%llu}", (unsigned long long)(first + i));
        questions[i] = (struct bus_message){ .subject = subject, .data = body, .size = strlen(body) };
    }
    if (!bus_request_many(ctx, bus, questions, count, READ_MS, answers))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (answers[i].status != 200 && answers[i].status != 404)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "the stream %s does not answer (%d)", stream, answers[i].status);
        out[i] = message_of(&answers[i]);
    }
    return true;
}
