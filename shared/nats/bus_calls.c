/* Asking: the table of asks that wait for an answer, the one inbox they come to, and what is asked in the waiting way.
 */
#include "nats/bus_parts.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { SWEEP_MS = 10, SWEEP_BATCH = 64, MESSAGE_MAX = 1 << 20 };

/* Generation and place: the answer to an ask that was given up meets a newer generation and is dropped. */
static uint64_t token_make(struct asks *asks, uint32_t place)
{
    return ++asks->generation << 16 | place;
}

/* 0: the table is full. */
static uint64_t asks_add(struct asks *asks, const struct ask *ask)
{
    uint64_t token = 0;
    pthread_mutex_lock(&asks->mutex);
    uint32_t place = asks->first_free;
    if (place < ASKS && !asks->stopping) {
        struct ask *slot = &asks->slots[place];
        asks->first_free = slot->next_free;
        *slot = *ask;
        slot->token = token = token_make(asks, place);
        if (asks->count++ == 0)
            pthread_cond_signal(&asks->some);
    }
    pthread_mutex_unlock(&asks->mutex);
    return token;
}

/* With the lock held. */
static void slot_free(struct asks *asks, struct ask *slot)
{
    slot->token = 0;
    slot->next_free = asks->first_free;
    asks->first_free = (uint32_t)(slot - asks->slots);
    asks->count--;
}

/* Whoever takes an ask out of the table answers it: so each is answered once. */
static bool asks_take(struct asks *asks, uint64_t token, struct ask *out)
{
    struct ask *slot = &asks->slots[token % 65536 % ASKS];
    pthread_mutex_lock(&asks->mutex);
    bool found = token && slot->token == token;
    if (found) {
        *out = *slot;
        slot_free(asks, slot);
    }
    pthread_mutex_unlock(&asks->mutex);
    return found;
}

bool asks_pending(struct asks *asks, uint64_t token)
{
    pthread_mutex_lock(&asks->mutex);
    bool found = asks->slots[token % 65536 % ASKS].token == token;
    pthread_mutex_unlock(&asks->mutex);
    return found;
}

static int msg_status(natsMsg *msg)
{
    if (!msg)
        return 504;
    const char *code = msg_header(msg, "Nats-Service-Error-Code");
    if (!code)
        code = msg_header(msg, "Status");
    int status = code ? atoi(code) : 200;
    return status >= 100 && status <= 599 ? status : 500;
}

static const char *msg_text(natsMsg *msg)
{
    const char *text = msg_header(msg, "Nats-Service-Error");
    if (!text)
        text = msg_header(msg, "Description");
    return text ? text : "";
}

static void answer_full(const struct ask *ask, int status, natsMsg *msg)
{
    struct arena arena = { 0 };
    struct bus_reply reply = { .status = status, .text = "", .data = "", .headers = msg_headers(&arena, msg) };
    if (msg) {
        reply.data = natsMsg_GetData(msg);
        reply.size = (size_t)natsMsg_GetDataLength(msg);
        reply.text = status == 200 ? "" : msg_text(msg);
    }
    ask->full(ask->self, &reply);
    arena_free(&arena);
}

static void answer(const struct ask *ask, int status, natsMsg *msg)
{
    if (ask->answer) {
        ask->answer(ask->self, status, msg);
    } else if (ask->full) {
        answer_full(ask, status, msg);
    } else if (msg && status == 200) {
        ask->reply(ask->self, status, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
    } else {
        const char *text = msg ? msg_text(msg) : "";
        ask->reply(ask->self, status, text, strlen(text));
    }
}

void asks_refuse(struct asks *asks, uint64_t token, int status)
{
    struct ask ask;
    if (asks_take(asks, token, &ask))
        answer(&ask, status, NULL);
}

bool answer_arrived(void *self, natsMsg *msg)
{
    struct bus *bus = self;
    const char *dot = strrchr(natsMsg_GetSubject(msg), '.');
    struct ask ask;
    if (dot && asks_take(&bus->asks, strtoull(dot + 1, NULL, 16), &ask))
        answer(&ask, msg_status(msg), msg);
    return false;
}

/* FNV-1a */
static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    return hash;
}

/* One at a time: whoever answers may ask again. */
static bool take_of_subject(struct asks *asks, uint64_t subject, struct ask *out)
{
    bool found = false;
    pthread_mutex_lock(&asks->mutex);
    for (size_t i = 0; i < ASKS && !found && asks->count > 0; i++) {
        struct ask *slot = &asks->slots[i];
        found = slot->token && slot->subject == subject;
        if (found) {
            *out = *slot;
            slot_free(asks, slot);
        }
    }
    pthread_mutex_unlock(&asks->mutex);
    return found;
}

void asks_forbid(struct asks *asks, const char *subject, size_t size)
{
    struct ask ask;
    uint64_t hash = hash_of(subject, size);
    for (int i = 0; i < ASKS && take_of_subject(asks, hash, &ask); i++)
        answer(&ask, 503, NULL);
}

/* Takes out up to SWEEP_BATCH asks that have waited long enough (all of them: until_ms is INT64_MAX). */
static size_t asks_expired(struct asks *asks, int64_t now, struct ask *out)
{
    size_t count = 0;
    for (size_t i = 0; i < ASKS && count < SWEEP_BATCH && asks->count > 0; i++) {
        struct ask *slot = &asks->slots[i];
        if (slot->token && slot->until_ms <= now) {
            out[count++] = *slot;
            slot_free(asks, slot);
        }
    }
    return count;
}

static bool asks_end(struct asks *asks, int64_t now, int status)
{
    struct ask out[SWEEP_BATCH];
    pthread_mutex_lock(&asks->mutex);
    size_t count = asks_expired(asks, now, out);
    pthread_mutex_unlock(&asks->mutex);
    for (size_t i = 0; i < count; i++)
        answer(&out[i], status, NULL);
    return count == SWEEP_BATCH;
}

void asks_fail(struct asks *asks, int status)
{
    while (asks_end(asks, INT64_MAX, status))
        continue;
}

static void *sweeper_run(void *closure)
{
    struct asks *asks = closure;
    pthread_mutex_lock(&asks->mutex);
    while (!asks->stopping) {
        if (asks->count == 0) {
            pthread_cond_wait(&asks->some, &asks->mutex);
        } else {
            cond_wait_until(&asks->some, &asks->mutex, clock_ms() + SWEEP_MS);
            pthread_mutex_unlock(&asks->mutex);
            while (asks_end(asks, clock_ms(), 504))
                continue;
            pthread_mutex_lock(&asks->mutex);
        }
    }
    pthread_mutex_unlock(&asks->mutex);
    return NULL;
}

bool asks_start(struct ctx *ctx, struct asks *asks)
{
    pthread_mutex_init(&asks->mutex, NULL);
    cond_init(&asks->some);
    for (uint32_t i = 0; i < ASKS; i++)
        asks->slots[i].next_free = i + 1;
    asks->started = pthread_create(&asks->sweeper, NULL, sweeper_run, asks) == 0;
    return asks->started || ctx_fail(ctx, ERROR_INTERNAL, "no thread for the answers from NATS");
}

void asks_stop(struct asks *asks)
{
    pthread_mutex_lock(&asks->mutex);
    asks->stopping = true;
    pthread_cond_signal(&asks->some);
    pthread_mutex_unlock(&asks->mutex);
    if (asks->started)
        pthread_join(asks->sweeper, NULL);
    asks_fail(asks, 503);
}

static void add_headers(const struct ctx *ctx, natsMsg *msg, const struct pair *headers, int64_t timeout_ms)
{
    if (ctx->request_id && *ctx->request_id)
        natsMsgHeader_Set(msg, "x-request-id", ctx->request_id);
    if (ctx->traceparent)
        natsMsgHeader_Set(msg, "traceparent", ctx->traceparent);
    if (timeout_ms > 0) {
        char deadline[24], patience[24];
        snprintf(deadline, sizeof deadline, "%lld", (long long)(clock_now_ms() + timeout_ms));
        snprintf(patience, sizeof patience, "%lld", (long long)timeout_ms);
        natsMsgHeader_Set(msg, "tonearm-deadline", deadline);
        natsMsgHeader_Set(msg, "tonearm-patience", patience);
    }
    for (; headers && headers->name; headers++)
        natsMsgHeader_Add(msg, headers->name, headers->value);
}

static natsMsg *message_make(struct ctx *ctx, const struct bus_message *message, const char *reply, int64_t timeout_ms)
{
    if (message->size > MESSAGE_MAX)
        return ctx_fail(ctx, ERROR_TOO_LARGE, "a message may have 1 MiB");
    natsMsg *msg = NULL;
    if (natsMsg_Create(&msg, message->subject, reply, message->data, (int)message->size) != NATS_OK)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: no such message", message->subject);
    add_headers(ctx, msg, message->headers, timeout_ms);
    return msg;
}

static bool ask_away(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                     struct ask ask)
{
    timeout_ms = ctx_left_ms(ctx, timeout_ms);
    if (!bus_up(bus) || timeout_ms <= 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, timeout_ms > 0 ? "the message bus is away" : "out of time");
    ask.until_ms = clock_ms() + timeout_ms;
    ask.subject = hash_of(message->subject, strlen(message->subject));
    uint64_t token = asks_add(&bus->asks, &ask);
    if (!token)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many questions under way");
    char reply[160];
    snprintf(reply, sizeof reply, "%s.%llx", bus->inbox, (unsigned long long)token);
    natsMsg *msg = message_make(ctx, message, reply, timeout_ms);
    if (msg && sender_push(bus, msg, token))
        return true;
    /* Taken by somebody else: it has been answered, so it counts as sent. */
    if (!asks_take(&bus->asks, token, &ask)) {
        ctx->error = msg ? ctx->error : ctx->error->cause;
        return true;
    }
    return msg && ctx_fail(ctx, ERROR_UNAVAILABLE, "the message bus is away or full");
}

bool bus_ask_message(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                     bus_answer_fn *answer_to, void *self)
{
    return ask_away(ctx, bus, message, timeout_ms, (struct ask){ .answer = answer_to, .self = self });
}

bool bus_ask(struct ctx *ctx, struct bus *bus, const char *subject, const char *data, size_t size, int64_t timeout_ms,
             bus_reply_fn *reply, void *self)
{
    struct bus_message message = { .subject = subject, .data = data, .size = size };
    return ask_away(ctx, bus, &message, timeout_ms, (struct ask){ .reply = reply, .self = self });
}

bool bus_ask_with_headers(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                          bus_full_reply_fn *reply, void *self)
{
    return ask_away(ctx, bus, message, timeout_ms, (struct ask){ .full = reply, .self = self });
}

bool bus_publish_message(struct ctx *ctx, struct bus *bus, const struct bus_message *message, const char *reply)
{
    if (!bus_up(bus))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the message bus is away");
    natsMsg *msg = message_make(ctx, message, reply, 0);
    if (!msg)
        return false;
    return sender_push(bus, msg, 0) || ctx_fail(ctx, ERROR_UNAVAILABLE, "the message bus is away or full");
}

bool bus_publish(struct ctx *ctx, struct bus *bus, const char *subject, const char *data, size_t size)
{
    return bus_publish_message(ctx, bus, &(struct bus_message){ .subject = subject, .data = data, .size = size }, NULL);
}

bool bus_publish_to(struct ctx *ctx, struct bus *bus, const char *subject, const char *reply, const char *data,
                    size_t size)
{
    return bus_publish_message(ctx, bus, &(struct bus_message){ .subject = subject, .data = data, .size = size },
                               reply);
}

const char *bus_inbox(const struct bus *bus)
{
    return bus->inbox;
}
