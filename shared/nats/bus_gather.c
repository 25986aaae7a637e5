/* Many questions at once, and waiting for all the answers. */
#include "nats/bus_parts.h"

#include "base/clock.h"

struct gather;

struct gathered {
    struct gather *of;
    struct answer answer;
};

/* On its asker's stack: bus_ask calls back exactly once, so it is left only when all have answered. */
struct gather {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    size_t waiting;
    struct arena arena;
    struct gathered items[GATHER_MAX];
};

static void item_answered(void *self, int status, natsMsg *msg)
{
    struct gathered *item = self;
    struct gather *gather = item->of;
    struct answer got = answer_of(status, msg);
    pthread_mutex_lock(&gather->mutex);
    item->answer = answer_copy(&gather->arena, &got);
    if (--gather->waiting == 0)
        pthread_cond_signal(&gather->done);
    pthread_mutex_unlock(&gather->mutex);
}

static void change_waiting(struct gather *gather, size_t by)
{
    pthread_mutex_lock(&gather->mutex);
    gather->waiting += by;
    pthread_mutex_unlock(&gather->mutex);
}

static void ask_all(struct ctx *ctx, struct bus *bus, const struct bus_message *messages, size_t count,
                    int64_t timeout_ms, struct gather *gather)
{
    for (size_t i = 0; i < count; i++) {
        gather->items[i].of = gather;
        change_waiting(gather, 1);
        if (bus_ask_message(ctx, bus, &messages[i], timeout_ms, item_answered, &gather->items[i]))
            continue;
        change_waiting(gather, (size_t)-1);
        return; /* the bus is away or full: the rest is not asked */
    }
}

bool bus_request_many(struct ctx *ctx, struct bus *bus, const struct bus_message *messages, size_t count,
                      int64_t timeout_ms, struct answer *out)
{
    struct gather gather = { 0 };
    pthread_mutex_init(&gather.mutex, NULL);
    cond_init(&gather.done);
    ask_all(ctx, bus, messages, count, timeout_ms, &gather);
    pthread_mutex_lock(&gather.mutex);
    while (gather.waiting > 0)
        pthread_cond_wait(&gather.done, &gather.mutex);
    pthread_mutex_unlock(&gather.mutex);
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        all &= gather.items[i].answer.status != 0;
        out[i] = answer_copy(&ctx->arena, &gather.items[i].answer);
    }
    pthread_mutex_destroy(&gather.mutex);
    pthread_cond_destroy(&gather.done);
    arena_free(&gather.arena);
    return all;
}
