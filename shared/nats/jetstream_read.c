/* Messages of a stream by sequence: "direct get", as many questions at once as a batch has. */
#include "nats/jetstream.h"

#include <stdio.h>
#include <string.h>

enum { READ_MS = 1500 };

struct slot {
    struct batch *batch;
    int status;
    struct stream_message message;
};

/* On its reader's stack: bus_ask calls back exactly once, so it is left only when all have answered. */
struct batch {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    size_t waiting;
    struct arena arena;
    struct slot slots[JS_BATCH];
};

static void keep(struct arena *arena, struct stream_message *out, natsMsg *msg)
{
    const char *subject = msg_header(msg, "Nats-Subject"), *sequence = msg_header(msg, "Nats-Sequence");
    if (!subject || !sequence)
        return;
    out->size = (size_t)natsMsg_GetDataLength(msg);
    out->data = arena_memdup(arena, natsMsg_GetData(msg), out->size);
    out->subject = arena_strdup(arena, subject);
    out->sequence = strtoull(sequence, NULL, 10);
}

static void slot_answered(void *self, int status, natsMsg *msg)
{
    struct slot *slot = self;
    struct batch *batch = slot->batch;
    pthread_mutex_lock(&batch->mutex);
    slot->status = status;
    if (msg && status == 200)
        keep(&batch->arena, &slot->message, msg);
    if (--batch->waiting == 0)
        pthread_cond_signal(&batch->done);
    pthread_mutex_unlock(&batch->mutex);
}

static bool ask_one(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t sequence, struct slot *slot)
{
    char subject[128], body[48];
    snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", stream);
    snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)sequence);
    struct bus_message message = { .subject = subject, .data = body, .size = strlen(body) };
    return bus_ask_message(ctx, bus, &message, READ_MS, slot_answered, slot);
}

static void ask_all(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t first, size_t count, struct batch *batch)
{
    for (size_t i = 0; i < count; i++) {
        batch->slots[i].batch = batch;
        pthread_mutex_lock(&batch->mutex);
        batch->waiting++;
        pthread_mutex_unlock(&batch->mutex);
        if (ask_one(ctx, bus, stream, first + i, &batch->slots[i]))
            continue;
        pthread_mutex_lock(&batch->mutex);
        batch->waiting--;
        pthread_mutex_unlock(&batch->mutex);
        return; /* the rest keep status 0: not asked */
    }
}

static bool collect(struct ctx *ctx, struct batch *batch, size_t count, struct stream_message *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct slot *slot = &batch->slots[i];
        if (slot->status != 200 && slot->status != 404)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "a stream does not answer (%d)", slot->status);
        out[i] = slot->message;
        out[i].subject = arena_strdup(&ctx->arena, slot->message.subject);
        out[i].data = out[i].sequence ? arena_memdup(&ctx->arena, slot->message.data, slot->message.size) : NULL;
    }
    return true;
}

bool js_read(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t first, size_t count, struct stream_message *out)
{
    struct batch batch = { 0 };
    pthread_mutex_init(&batch.mutex, NULL);
    cond_init(&batch.done);
    ask_all(ctx, bus, stream, first, count, &batch);
    pthread_mutex_lock(&batch.mutex);
    while (batch.waiting > 0)
        pthread_cond_wait(&batch.done, &batch.mutex);
    pthread_mutex_unlock(&batch.mutex);
    bool good = collect(ctx, &batch, count, out);
    pthread_mutex_destroy(&batch.mutex);
    pthread_cond_destroy(&batch.done);
    arena_free(&batch.arena);
    return good;
}
