/* A durable consumer that the replicas of a service share: events are asked for, handled, acknowledged. */
#include "nats/consumer_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum {
    BATCH = 8,
    EXPIRES_MS = 5000, /* of a pull, at the server; it says so when there was nothing */
    LATE_MS = 1000,    /* then it has been lost */
    RETRY_MS = 200,
    RETRY_MOST_MS = 5000,
    AGAIN_MS = 1000, /* the first redelivery; then twice as long each time */
    AGAIN_MOST_MS = 300000,
    ACK_WAIT_S = 60,
    ACK_PENDING = 256,
    STOP_MS = 1000,
};

bool delivery_read(const char *reply, struct delivery *out)
{
    unsigned long long delivered, sequence, consumer_sequence, time, pending;
    const char *at = reply;
    for (int tokens = 0; at && tokens < 4; tokens++) {
        at = strchr(at, '.');
        at = at ? at + 1 : NULL;
    }
    if (!text_starts(reply, "$JS.ACK.") || !at ||
        sscanf(at, "%llu.%llu.%llu.%llu.%llu", &delivered, &sequence, &consumer_sequence, &time, &pending) != 5)
        return false;
    *out = (struct delivery){ delivered, sequence, pending };
    return true;
}

static bool make_consumer(struct ctx *ctx, struct consumer *consumer)
{
    const struct consumer_options *options = &consumer->options;
    struct buf body = BUF(&ctx->arena);
    buf_printf(
        &body,
        "{\"stream_name\":\"%s\",\"config\":{\"name\":\"%s\",\"durable_name\":\"%s\",\"ack_policy\":\"explicit\"",
        options->stream, options->durable, options->durable);
    buf_printf(&body,
               ",\"deliver_policy\":\"all\",\"replay_policy\":\"instant\",\"ack_wait\":%lld,\"max_deliver\":-1,\"max_"
               "ack_pending\":%d",
               ACK_WAIT_S * 1000000000LL, ACK_PENDING);
    if (options->filter)
        buf_printf(&body, ",\"filter_subject\":\"%s\"", options->filter);
    buf_text(&body, "}}");
    const char *what = arena_printf(&ctx->arena, "CONSUMER.CREATE.%s.%s%s%s", options->stream, options->durable,
                                    options->filter ? "." : "", options->filter ? options->filter : "");
    return js_ask(ctx, consumer->bus, what, &body, NULL, NULL);
}

static void set_lag(struct consumer *consumer, int64_t lag)
{
    pthread_mutex_lock(&consumer->mutex);
    consumer->lag = lag;
    pthread_mutex_unlock(&consumer->mutex);
}

static bool acknowledge(struct ctx *ctx, struct consumer *consumer, const char *reply, const struct delivery *delivery,
                        enum handled outcome)
{
    if (outcome == HANDLED)
        return bus_publish(ctx, consumer->bus, reply, "+ACK", 4);
    int64_t delay_ms = AGAIN_MS;
    for (uint64_t i = 1; i < delivery->delivered && delay_ms < AGAIN_MOST_MS; i++)
        delay_ms *= 2;
    delay_ms = delay_ms < AGAIN_MOST_MS ? delay_ms : AGAIN_MOST_MS;
    const char *body = arena_printf(&ctx->arena, "-NAK {\"delay\":%lld}", (long long)delay_ms * 1000000);
    return bus_publish(ctx, consumer->bus, reply, body, strlen(body));
}

/* On libnats' thread. An event keeps its own subject; what has the inbox's is a word from the server. */
static bool pull_arrived(void *self, natsMsg *msg)
{
    struct consumer *consumer = self;
    struct pulled *pulled = NULL;
    int status = 0;
    if (text_equal(natsMsg_GetSubject(msg), consumer->inbox)) {
        const char *header = msg_header(msg, "Status");
        status = header ? atoi(header) : 0;
    } else if ((pulled = calloc(1, sizeof *pulled))) {
        pulled->msg = msg;
    }
    pthread_mutex_lock(&consumer->mutex);
    if (pulled) {
        *consumer->last = pulled;
        consumer->last = &pulled->next;
        consumer->asked -= consumer->asked > 0;
    } else if (status >= 400) {
        consumer->asked = 0;
        consumer->refused = status;
    }
    pthread_cond_signal(&consumer->woken);
    pthread_mutex_unlock(&consumer->mutex);
    return pulled != NULL;
}

static void take(struct consumer *consumer, natsMsg *msg)
{
    struct ctx ctx = { .request_id = "" };
    struct delivery delivery;
    const char *reply = natsMsg_GetReply(msg);
    if (reply && delivery_read(reply, &delivery)) {
        set_lag(consumer, (int64_t)delivery.pending + 1);
        struct stream_message message = { delivery.sequence, natsMsg_GetSubject(msg), natsMsg_GetData(msg),
                                          (size_t)natsMsg_GetDataLength(msg) };
        enum handled outcome = consumer_handle(consumer, &message);
        set_lag(consumer, (int64_t)delivery.pending + (outcome == NOT_HANDLED));
        acknowledge(&ctx, consumer, reply, &delivery, outcome); /* one that is lost comes again */
    }
    natsMsg_Destroy(msg);
    ctx_finish(&ctx);
}

static bool ask_for_more(struct ctx *ctx, struct consumer *consumer)
{
    const char *subject = arena_printf(&ctx->arena, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", consumer->options.stream,
                                       consumer->options.durable);
    const char *body = arena_printf(&ctx->arena, "{\"batch\":%d,\"expires\":%lld}", BATCH, EXPIRES_MS * 1000000LL);
    pthread_mutex_lock(&consumer->mutex);
    consumer->asked = BATCH;
    consumer->refused = 0;
    pthread_mutex_unlock(&consumer->mutex);
    return bus_publish_to(ctx, consumer->bus, subject, consumer->inbox, body, strlen(body));
}

/* The next event, once there is one; NULL: ask (again). */
static natsMsg *next_event(struct consumer *consumer, int *refused)
{
    int64_t until = clock_ms() + EXPIRES_MS + LATE_MS;
    pthread_mutex_lock(&consumer->mutex);
    while (!consumer->first && consumer->asked && !consumer->stopping && !consumer->connected &&
           cond_wait_until(&consumer->woken, &consumer->mutex, until))
        continue;
    struct pulled *pulled = consumer->first;
    if (pulled) {
        consumer->first = pulled->next;
        if (!consumer->first)
            consumer->last = &consumer->first;
    } else {
        consumer->asked = 0;
    }
    *refused = consumer->refused;
    pthread_mutex_unlock(&consumer->mutex);
    natsMsg *msg = pulled ? pulled->msg : NULL;
    free(pulled);
    return msg;
}

static bool nothing_asked(struct consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    bool out = !consumer->first && !consumer->asked;
    pthread_mutex_unlock(&consumer->mutex);
    return out;
}

/* One event, or one wait for it. `*made`: the consumer is there, as far as we know. */
static bool pull(struct ctx *ctx, struct consumer *consumer, bool *made)
{
    if (!bus_up(consumer->bus))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the message bus is away");
    if (!*made && !make_consumer(ctx, consumer))
        return false;
    *made = true;
    if (nothing_asked(consumer) && !ask_for_more(ctx, consumer))
        return false;
    int refused = 0;
    natsMsg *msg = next_event(consumer, &refused);
    if (msg) {
        take(consumer, msg);
    } else if (refused == 404 || refused == 408) {
        set_lag(consumer, 0);
    } else if (refused) {
        *made = false; /* deleted, or its stream is */
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: no events (%d)", consumer->options.durable, refused);
    }
    return true;
}

/* After an outage the consumer may be gone, and what was asked for is not coming. */
static void begin_anew(struct consumer *consumer, bool *made)
{
    if (!consumer->connected)
        return;
    consumer->connected = false;
    consumer->asked = 0;
    *made = false;
}

static void *pull_run(void *closure)
{
    struct consumer *consumer = closure;
    bool made = false;
    int64_t delay_ms = RETRY_MS;
    pthread_mutex_lock(&consumer->mutex);
    while (!consumer->stopping) {
        begin_anew(consumer, &made);
        pthread_mutex_unlock(&consumer->mutex);
        struct ctx ctx = { .request_id = "" };
        bool good = pull(&ctx, consumer, &made);
        if (!good && bus_up(consumer->bus) && delay_ms == RETRY_MOST_MS)
            log_failure(LOG_WARN, &ctx, "nats: events cannot be pulled");
        ctx_finish(&ctx);
        int64_t until = clock_ms() + (good ? 0 : delay_ms);
        delay_ms = good ? RETRY_MS : delay_ms * 2 < RETRY_MOST_MS ? delay_ms * 2 : RETRY_MOST_MS;
        pthread_mutex_lock(&consumer->mutex);
        consumer->lag = good ? consumer->lag : -1;
        while (!good && !consumer->stopping && !consumer->connected &&
               cond_wait_until(&consumer->woken, &consumer->mutex, until))
            continue;
    }
    pthread_mutex_unlock(&consumer->mutex);
    return NULL;
}

static void pull_connected(void *closure)
{
    struct consumer *consumer = closure;
    pthread_mutex_lock(&consumer->mutex);
    consumer->connected = true;
    pthread_cond_signal(&consumer->woken);
    pthread_mutex_unlock(&consumer->mutex);
}

bool pull_start(struct ctx *ctx, struct consumer *consumer)
{
    consumer->last = &consumer->first;
    consumer->inbox = arena_printf(&consumer->arena, "%s.pull.%s", bus_inbox(consumer->bus),
                                   random_text(&consumer->arena, 6));
    consumer->listening = bus_subscribe(consumer->bus, consumer->inbox, NULL, pull_arrived, consumer);
    if (pthread_create(&consumer->thread, NULL, pull_run, consumer) != 0) {
        bus_unsubscribe(consumer->bus, consumer->listening, STOP_MS);
        return ctx_fail(ctx, ERROR_INTERNAL, "no thread for events");
    }
    bus_watch(consumer->bus, &(struct watcher){ .connected = pull_connected, .self = consumer });
    return true;
}

/* Events that arrived and were not begun go to another replica at once. */
static void give_back(struct consumer *consumer)
{
    for (struct pulled *next; consumer->first; consumer->first = next) {
        struct ctx ctx = { .request_id = "" };
        natsMsg *msg = consumer->first->msg;
        next = consumer->first->next;
        if (natsMsg_GetReply(msg))
            bus_publish(&ctx, consumer->bus, natsMsg_GetReply(msg), "-NAK", 4);
        natsMsg_Destroy(msg);
        free(consumer->first);
        ctx_finish(&ctx);
    }
}

bool pull_stop(struct consumer *consumer)
{
    bus_unwatch(consumer->bus, consumer);
    pthread_mutex_lock(&consumer->mutex);
    consumer->stopping = true;
    pthread_cond_signal(&consumer->woken);
    pthread_mutex_unlock(&consumer->mutex);
    pthread_join(consumer->thread, NULL);
    bool ended = bus_unsubscribe(consumer->bus, consumer->listening, STOP_MS);
    pthread_mutex_lock(&consumer->mutex);
    give_back(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    return ended;
}
