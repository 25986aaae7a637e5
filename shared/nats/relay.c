#include "nats/relay.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "contract/subjects.h"
#include "nats/jetstream.h"
#include "store/outbox.h"

enum {
    POLL_MS = 200,
    AWAY_MOST_MS = 5000,
    STEP_MS = 5000, /* of a round: the lease, what is read, a window and its marking */
    PUBLISH_MS = 2000,
    LEASE_MS = 6000,      /* renewed before a third has gone: a window and its marking fit into the rest */
    LEASE_LOOK_MS = 1000, /* while another one holds it */
    READ = 256,
    KEEP_LOG_MS = 7 * 86400 * 1000,
    SWEEP_MS = 600 * 1000,
};

struct relay {
    struct bus *bus;
    struct store *store;
    struct lease lease; /* the thread's */
    int64_t swept_ms;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool wake, connected, stopping;
    pthread_t thread;
};

/* How a round went. */
enum outcome { DONE, MORE, STUCK, NOT_OURS };

/* An event on its way, with the entity whose order it must keep. */
struct parcel {
    const struct outbox_event *event;
    const char *entity;
    bool acknowledged;
};

struct cloud_event {
    const char *subject;
};

static const struct field cloud_event_fields[] = {
    FIELD("subject", TEXT, struct cloud_event, subject),
    { 0 },
};

static const char *entity_of(struct ctx *ctx, const struct outbox_event *event)
{
    struct cloud_event out = { 0 };
    if (!record_parse(ctx, event->json, strlen(event->json), cloud_event_fields, &out))
        ctx->error = NULL; /* the stream takes what it is; those without an entity keep their order among themselves */
    return out.subject ? out.subject : "";
}

/* What follows an event of the same entity that is not through has to wait. */
static bool must_wait(const struct parcel *parcels, size_t before, const char *entity)
{
    for (size_t i = 0; i < before; i++)
        if (!parcels[i].acknowledged && text_equal(parcels[i].entity, entity))
            return true;
    return false;
}

/* The next events that may go at the same time: no two of one entity. Returns how many; *from moves on. */
static size_t pick_window(struct parcel *parcels, size_t count, size_t *from, struct parcel **window)
{
    size_t picked = 0;
    for (; *from < count && picked < GATHER_MAX; ++*from) {
        struct parcel *parcel = &parcels[*from];
        bool waits = must_wait(parcels, *from, parcel->entity);
        bool for_window = false;
        for (size_t i = 0; waits && i < picked; i++)
            for_window |= text_equal(window[i]->entity, parcel->entity);
        if (for_window)
            break; /* goes with the next window, if this one gets through */
        if (!waits)
            window[picked++] = parcel;
    }
    return picked;
}

/* What is for nobody is through without being sent. Returns how many others there are, which stand in front then. */
static size_t leave_out_nobodys(struct parcel **window, size_t count)
{
    size_t sent = 0;
    for (size_t i = 0; i < count; i++) {
        struct parcel *parcel = window[i];
        parcel->acknowledged = text_equal(parcel->event->type, SUBJECT_OTP_NOBODY);
        if (parcel->acknowledged)
            continue;
        window[i] = window[sent];
        window[sent++] = parcel;
    }
    return sent;
}

static void send_window(struct ctx *ctx, struct bus *bus, struct parcel **window, size_t count)
{
    struct bus_message messages[GATHER_MAX] = { 0 };
    struct answer answers[GATHER_MAX] = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct pair *headers = arena_array(&ctx->arena, struct pair, 2);
        headers[0] = (struct pair){ "Nats-Msg-Id", window[i]->event->id };
        messages[i] = (struct bus_message){ .subject = window[i]->event->type,
                                            .data = window[i]->event->json,
                                            .size = strlen(window[i]->event->json),
                                            .headers = headers };
    }
    const struct outbox_event *refused = NULL; /* the first of them, for the log */
    bus_request_many(ctx, bus, messages, count, PUBLISH_MS, answers);
    for (size_t i = 0; i < count; i++) {
        window[i]->acknowledged = answers[i].status == 200 && js_acknowledged(ctx, &answers[i]);
        if (!window[i]->acknowledged && !refused)
            refused = window[i]->event;
    }
    if (refused && bus_up(bus))
        log_warn(NULL, "nats: an event was not taken by its stream", "event", refused->id, "type", refused->type);
}

/* Each step its own time: in one for all of them a slow store would never come to the marking, and what was sent would
 * be sent again in every round. */
static void begin_step(struct ctx *ctx)
{
    ctx->deadline_ms = clock_ms() + STEP_MS;
}

static bool is_stopping(struct relay *relay)
{
    pthread_mutex_lock(&relay->mutex);
    bool stopping = relay->stopping;
    pthread_mutex_unlock(&relay->mutex);
    return stopping;
}

static size_t mark_done(struct ctx *ctx, struct relay *relay, struct parcel **window, size_t count)
{
    struct outbox_event done[GATHER_MAX];
    size_t through = 0;
    for (size_t i = 0; i < count; i++)
        if (window[i]->acknowledged)
            done[through++] = *window[i]->event;
    ctx->error = NULL;
    begin_step(ctx);
    return outbox_done(ctx, relay->store, done, through) ? through : 0;
}

static bool still_holds(struct ctx *ctx, struct relay *relay)
{
    begin_step(ctx);
    return lease_hold(ctx, &relay->lease) && relay->lease.until_ms - clock_ms() > PUBLISH_MS;
}

/* How many of them are through and marked. */
static size_t send_all(struct ctx *ctx, struct relay *relay, struct outbox_event *events, size_t count)
{
    struct parcel *parcels = arena_array(&ctx->arena, struct parcel, count);
    struct parcel *window[GATHER_MAX];
    for (size_t i = 0; i < count; i++)
        parcels[i] = (struct parcel){ .event = &events[i], .entity = entity_of(ctx, &events[i]) };
    size_t sum = 0;
    for (size_t from = 0; from < count && !is_stopping(relay) && bus_up(relay->bus) && still_holds(ctx, relay);) {
        size_t picked = pick_window(parcels, count, &from, window);
        if (!picked)
            break;
        send_window(ctx, relay->bus, window, leave_out_nobodys(window, picked));
        size_t marked = mark_done(ctx, relay, window, picked);
        sum += marked;
        if (ctx->error)
            break;
    }
    return sum;
}

static void sweep(struct ctx *ctx, struct relay *relay)
{
    size_t dropped = 0;
    if (clock_ms() - relay->swept_ms < SWEEP_MS)
        return;
    if (!outbox_sweep(ctx, relay->store, clock_now_ms() - KEEP_LOG_MS, &dropped))
        log_failure(LOG_WARN, ctx, "the event log was not swept");
    if (dropped < 1000)
        relay->swept_ms = clock_ms();
}

static enum outcome relay_round(struct ctx *ctx, struct relay *relay, bool *progress)
{
    struct outbox_event *events = NULL;
    size_t count = 0;
    if (!bus_up(relay->bus))
        return STUCK;
    if (!lease_hold(ctx, &relay->lease))
        return ctx->error ? STUCK : NOT_OURS;
    sweep(ctx, relay);
    begin_step(ctx);
    if (!outbox_read(ctx, relay->store, READ, &events, &count))
        return STUCK;
    size_t through = send_all(ctx, relay, events, count);
    *progress = through > 0;
    if (through < count)
        return STUCK;
    return count == READ ? MORE : DONE;
}

static int64_t pause_of(enum outcome outcome, bool progress, int64_t *away_ms)
{
    if (outcome != STUCK || progress)
        *away_ms = POLL_MS;
    if (outcome == MORE)
        return 0;
    if (outcome == NOT_OURS)
        return LEASE_LOOK_MS;
    int64_t pause = outcome == DONE ? POLL_MS : *away_ms;
    if (outcome == STUCK)
        *away_ms = *away_ms * 2 < AWAY_MOST_MS ? *away_ms * 2 : AWAY_MOST_MS;
    return pause;
}

static bool is_due(const struct relay *relay, enum outcome outcome)
{
    return relay->stopping || relay->connected || (outcome == DONE && relay->wake);
}

static void *relay_run(void *closure)
{
    struct relay *relay = closure;
    int64_t away_ms = POLL_MS;
    pthread_mutex_lock(&relay->mutex);
    while (!relay->stopping) {
        relay->wake = relay->connected = false;
        pthread_mutex_unlock(&relay->mutex);
        struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + STEP_MS };
        bool progress = false;
        enum outcome outcome = relay_round(&ctx, relay, &progress);
        if (ctx.error && bus_up(relay->bus))
            log_failure(LOG_WARN, &ctx, "nats: events wait to be relayed");
        ctx_finish(&ctx);
        int64_t until = clock_ms() + pause_of(outcome, progress, &away_ms);
        pthread_mutex_lock(&relay->mutex);
        while (!is_due(relay, outcome) && cond_wait_until(&relay->woken, &relay->mutex, until))
            continue;
    }
    pthread_mutex_unlock(&relay->mutex);
    return NULL;
}

void relay_wake(void *closure)
{
    struct relay *relay = closure;
    if (!relay) /* written while the process starts */
        return;
    pthread_mutex_lock(&relay->mutex);
    relay->wake = true;
    pthread_cond_signal(&relay->woken);
    pthread_mutex_unlock(&relay->mutex);
}

static void relay_connected(void *closure)
{
    struct relay *relay = closure;
    pthread_mutex_lock(&relay->mutex);
    relay->connected = true;
    pthread_cond_signal(&relay->woken);
    pthread_mutex_unlock(&relay->mutex);
}

struct relay *relay_start(struct ctx *ctx, struct bus *bus, struct store *store)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        abort();
    relay->bus = bus;
    relay->store = store;
    relay->lease = (struct lease){ .store = store, .name = "relay", .holder = bus_instance(bus), .ttl_ms = LEASE_MS };
    relay->swept_ms = clock_ms();
    pthread_mutex_init(&relay->mutex, NULL);
    cond_init(&relay->woken);
    if (pthread_create(&relay->thread, NULL, relay_run, relay) != 0) {
        free(relay);
        return ctx_fail(ctx, ERROR_INTERNAL, "no thread for the relay");
    }
    bus_watch(bus, &(struct watcher){ .connected = relay_connected, .self = relay });
    return relay;
}

void relay_stop(struct relay *relay)
{
    if (!relay)
        return;
    bus_unwatch(relay->bus, relay);
    pthread_mutex_lock(&relay->mutex);
    relay->stopping = true;
    pthread_cond_signal(&relay->woken);
    pthread_mutex_unlock(&relay->mutex);
    pthread_join(relay->thread, NULL);
    struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + 1000 };
    lease_release(&ctx, &relay->lease);
    ctx_finish(&ctx);
    free(relay);
}
