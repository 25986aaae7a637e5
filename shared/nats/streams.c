#include "nats/streams.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "nats/jetstream.h"

#include <string.h>

enum { CHECK_MS = 5000, RETRY_MS = 500, START_MS = 2000, SECOND = 1000 };

static const char *const revoked_subjects[] = { "auth.session.revoked", "auth.apikey.revoked", "auth.user.changed",
                                                NULL };
static const char *const event_subjects[] = { "event.user.>", "event.track.>", "event.playlist.>", NULL };
static const char *const otp_subjects[] = { "event.otp.>", NULL };

const struct stream stream_revoked = {
    .name = "REVOKED",
    .subjects = revoked_subjects,
    .max_age_ms = 3600LL * SECOND,
    .max_bytes = 64 << 20,
};
const struct stream stream_events = {
    .name = "EVENTS",
    .subjects = event_subjects,
    .max_age_ms = 7 * 86400LL * SECOND,
    .max_bytes = 2LL << 30,
};
const struct stream stream_otp = {
    .name = "OTP",
    .subjects = otp_subjects,
    .max_age_ms = 600LL * SECOND,
    .max_bytes = 16 << 20,
    .work_queue = true,
};

/* Sees to it that the streams are there, for the life of its bus. */
struct keeper {
    struct bus *bus;
    const struct stream *const *streams;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool wake, stopping, made;
    pthread_t thread;
};

static const char *retention_of(const struct stream *stream)
{
    return stream->work_queue ? "workqueue" : "limits";
}

static void write_config(struct buf *out, const struct stream *stream)
{
    buf_printf(out, "{\"name\":\"%s\",\"subjects\":[", stream->name);
    for (size_t i = 0; stream->subjects[i]; i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "", stream->subjects[i]);
    /* Read by sequence (follow.c) but for a work queue, whose messages are its consumer's alone. */
    buf_printf(out,
               "],\"storage\":\"file\",\"discard\":\"old\",\"num_replicas\":1,\"retention\":\"%s\",\"allow_direct\":%s",
               retention_of(stream), stream->work_queue ? "false" : "true");
    buf_printf(out, ",\"max_age\":%lld,\"max_bytes\":%lld,\"max_msg_size\":%d,\"duplicate_window\":%lld}",
               (long long)stream->max_age_ms * 1000000, (long long)stream->max_bytes, 1 << 20, 120000000000LL);
}

struct js_config {
    struct list subjects; /* of const char * */
    const char *retention;
    int64_t max_age, max_bytes;
    bool allow_direct;
};

struct js_stream {
    struct js_config *config;
};

static const struct field config_fields[] = {
    FIELD("subjects", LIST, struct js_config, subjects, .item = TEXT),
    FIELD("retention", TEXT, struct js_config, retention),
    FIELD("max_age", INTEGER, struct js_config, max_age),
    FIELD("max_bytes", INTEGER, struct js_config, max_bytes),
    FIELD("allow_direct", FLAG, struct js_config, allow_direct),
    { 0 },
};

static const struct field stream_fields[] = {
    FIELD("config", RECORD, struct js_stream, config, .required = true, .record = config_fields,
          .item_size = sizeof(struct js_config)),
    { 0 },
};

static bool same_subjects(const struct list *there, const char *const *wanted)
{
    size_t count = 0;
    while (wanted[count] && count < there->count &&
           text_equal(wanted[count], ((const char *const *)there->items)[count]))
        count++;
    return !wanted[count] && count == there->count;
}

static bool is_as_declared(const struct js_config *there, const struct stream *stream)
{
    return same_subjects(&there->subjects, stream->subjects) && text_equal(there->retention, retention_of(stream)) &&
           there->max_age == stream->max_age_ms * 1000000 && there->max_bytes == stream->max_bytes &&
           there->allow_direct == !stream->work_queue;
}

/* Asked for first: nats-server 2.9 counts the room of a stream twice when one that is there is "made" again. */
static bool make(struct ctx *ctx, struct bus *bus, const struct stream *stream)
{
    struct js_stream there = { 0 };
    const char *verb = "UPDATE";
    if (js_ask(ctx, bus, arena_printf(&ctx->arena, "STREAM.INFO.%s", stream->name), NULL, stream_fields, &there)) {
        if (is_as_declared(there.config, stream))
            return true;
    } else if (ctx_forgive(ctx, ERROR_NOT_FOUND)) {
        verb = "CREATE";
    } else {
        return false;
    }
    struct buf config = BUF(&ctx->arena);
    write_config(&config, stream);
    if (!js_ask(ctx, bus, arena_printf(&ctx->arena, "STREAM.%s.%s", verb, stream->name), &config, NULL, NULL))
        return false;
    log_info(NULL, "nats: a stream is as declared now", "stream", stream->name, "by", verb);
    return true;
}

static bool make_all(const struct keeper *keeper)
{
    struct ctx ctx = { .request_id = "" };
    bool all = true;
    for (size_t i = 0; keeper->streams[i] && all; i++)
        all = make(&ctx, keeper->bus, keeper->streams[i]);
    if (!all && bus_up(keeper->bus))
        log_failure(LOG_WARN, &ctx, "nats: a stream is missing and cannot be made");
    ctx_finish(&ctx);
    return all;
}

static void *keeper_run(void *closure)
{
    struct keeper *keeper = closure;
    pthread_mutex_lock(&keeper->mutex);
    while (!keeper->stopping) {
        keeper->wake = false;
        pthread_mutex_unlock(&keeper->mutex);
        bool made = bus_up(keeper->bus) && make_all(keeper);
        pthread_mutex_lock(&keeper->mutex);
        keeper->made |= made;
        pthread_cond_broadcast(&keeper->woken);
        int64_t until = clock_ms() + (made ? CHECK_MS : RETRY_MS);
        while (!keeper->wake && !keeper->stopping && cond_wait_until(&keeper->woken, &keeper->mutex, until))
            continue;
    }
    pthread_mutex_unlock(&keeper->mutex);
    return NULL;
}

static void keeper_connected(void *self)
{
    struct keeper *keeper = self;
    pthread_mutex_lock(&keeper->mutex);
    keeper->wake = true;
    pthread_cond_broadcast(&keeper->woken);
    pthread_mutex_unlock(&keeper->mutex);
}

static void keeper_end(void *self)
{
    struct keeper *keeper = self;
    pthread_mutex_lock(&keeper->mutex);
    keeper->stopping = true;
    pthread_cond_broadcast(&keeper->woken);
    pthread_mutex_unlock(&keeper->mutex);
    pthread_join(keeper->thread, NULL);
    free(keeper);
}

bool streams_keep(struct ctx *ctx, struct bus *bus, const struct stream *const *streams)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        abort();
    keeper->bus = bus;
    keeper->streams = streams;
    pthread_mutex_init(&keeper->mutex, NULL);
    cond_init(&keeper->woken);
    if (pthread_create(&keeper->thread, NULL, keeper_run, keeper) != 0) {
        free(keeper);
        return ctx_fail(ctx, ERROR_INTERNAL, "no thread for the streams");
    }
    bus_watch(bus, &(struct watcher){ .connected = keeper_connected, .closing = keeper_end, .self = keeper });
    pthread_mutex_lock(&keeper->mutex);
    int64_t until = clock_ms() + START_MS;
    while (!keeper->made && cond_wait_until(&keeper->woken, &keeper->mutex, until))
        continue;
    pthread_mutex_unlock(&keeper->mutex);
    return true;
}
