/* Events in: what the two kinds of consumers have in common, and the one that each replica follows by itself. */
#include "nats/consumer_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum { HANDLE_MS = 30000 };

struct cloud_event {
    const char *id, *type, *subject, *data;
    int64_t version, time;
};

static const struct field cloud_event_fields[] = {
    FIELD("id", TEXT, struct cloud_event, id, .required = true),
    FIELD("type", TEXT, struct cloud_event, type),
    FIELD("subject", TEXT, struct cloud_event, subject),
    FIELD("entityversion", INTEGER, struct cloud_event, version),
    FIELD("time", TIME, struct cloud_event, time),
    FIELD("data", JSON, struct cloud_event, data),
    { 0 },
};

enum handled consumer_handle(struct consumer *consumer, const struct stream_message *message)
{
    struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + HANDLE_MS };
    struct cloud_event event = { 0 };
    enum handled outcome = HANDLED;
    if (!record_parse(&ctx, message->data, message->size, cloud_event_fields, &event)) {
        log_failure(LOG_ERROR, &ctx, "nats: what is no event is left out");
    } else {
        ctx.request_id = event.id;
        const char *data = event.data ? event.data : "{}";
        struct consumed consumed = { message->subject, event.id,         event.subject ? event.subject : "",
                                     event.version,    event.time,       data,
                                     strlen(data),     message->sequence };
        if (!consumer->options.handle(&ctx, consumer->options.self, &consumed)) {
            outcome = NOT_HANDLED;
            log_failure(LOG_WARN, &ctx, "nats: an event was not handled and comes again");
        }
    }
    ctx_finish(&ctx);
    return outcome;
}

bool subject_matches(const char *filter, const char *subject)
{
    while (*filter) {
        if (strcmp(filter, ">") == 0)
            return *subject != '\0';
        size_t wanted = strcspn(filter, "."), got = strcspn(subject, ".");
        bool any = wanted == 1 && *filter == '*' && got > 0;
        if (!any && (wanted != got || strncmp(filter, subject, got) != 0))
            return false;
        filter += wanted;
        subject += got;
        if (*filter != *subject)
            return false;
        filter += *filter == '.';
        subject += *subject == '.';
    }
    return *subject == '\0';
}

static bool followed(void *self, const struct stream_message *message)
{
    struct consumer *consumer = self;
    if (consumer->options.filter && !subject_matches(consumer->options.filter, message->subject))
        return true;
    return consumer_handle(consumer, message) == HANDLED;
}

static bool follow_lost(void *self, const struct stream_info *stream, uint64_t *after)
{
    struct consumer *consumer = self;
    struct ctx ctx = { .request_id = "" };
    bool out = consumer->options.lost(&ctx, consumer->options.self, stream->first, stream->last, after);
    if (!out)
        log_failure(LOG_WARN, &ctx, "nats: what follows a stream could not be built anew");
    ctx_finish(&ctx);
    return out;
}

static bool start_following(struct ctx *ctx, struct consumer *consumer)
{
    const struct consumer_options *options = &consumer->options;
    consumer->hints[0] = options->filter;
    consumer->follow = follow_start(ctx, &(struct follow_options){ .bus = consumer->bus,
                                                                   .stream = options->stream,
                                                                   .hints = consumer->hints,
                                                                   .after = options->after,
                                                                   .message = followed,
                                                                   .lost = follow_lost,
                                                                   .self = consumer });
    return consumer->follow != NULL;
}

struct consumer *consumer_start(struct ctx *ctx, struct bus *bus, const struct consumer_options *options)
{
    if (!options->handle || (!options->durable && !options->lost))
        return ctx_fail(ctx, ERROR_INTERNAL, "a consumer without handle, or an ephemeral one without lost");
    struct consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer)
        abort();
    struct arena *arena = &consumer->arena;
    consumer->bus = bus;
    consumer->options = *options;
    consumer->options.stream = arena_strdup(arena, options->stream);
    consumer->options.filter = arena_strdup(arena, options->filter);
    consumer->options.durable = arena_strdup(arena, options->durable);
    consumer->lag = -1;
    pthread_mutex_init(&consumer->mutex, NULL);
    cond_init(&consumer->woken);
    if (options->durable ? pull_start(ctx, consumer) : start_following(ctx, consumer))
        return consumer;
    arena_free(arena);
    free(consumer);
    return NULL;
}

static void release(void *self)
{
    struct consumer *consumer = self;
    arena_free(&consumer->arena);
    free(consumer);
}

void consumer_stop(struct consumer *consumer)
{
    if (!consumer)
        return;
    follow_stop(consumer->follow);
    if (consumer->listening && !pull_stop(consumer))
        bus_keep(consumer->bus, release, consumer);
    else
        release(consumer);
}

int64_t consumer_lag(const struct consumer *consumer)
{
    if (consumer->follow)
        return follow_lag(consumer->follow);
    struct consumer *mine = (struct consumer *)consumer; /* to lock it */
    pthread_mutex_lock(&mine->mutex);
    int64_t out = bus_up(consumer->bus) ? consumer->lag : -1;
    pthread_mutex_unlock(&mine->mutex);
    return out;
}

bool stream_state(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t *last, int64_t *created_ms)
{
    struct stream_info info;
    if (!js_stream_info(ctx, bus, stream, &info))
        return false;
    *last = info.last;
    *created_ms = info.created_ms;
    return true;
}
