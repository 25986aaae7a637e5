#include "projection/projection.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "nats/consumer.h"
#include "nats/streams.h"
#include "projection/projection_folder.h"
#include "track/track_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 200,        /* tracks of one transaction while building */
    WAIT_MS = 300,     /* between tries while NATS or the store is away */
    CALL_MS = 5000,    /* of one call to the store */
    FAR_BEHIND = 5000, /* events: /ready says so */
};

static const char filter[] = "event.track.>";

struct projection {
    struct projection_options options;
    struct projection_folder folder;
    int64_t store; /* the number of its name */
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock; /* library, consumer, wake */
    pthread_cond_t wake;
    struct library *library;
    struct consumer *consumer;
};

static void rest(struct projection *projection, int64_t ms)
{
    int64_t until = clock_ms() + ms;
    struct timespec limit = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_mutex_lock(&projection->lock);
    while (!atomic_load(&projection->stopping) && clock_ms() < until)
        pthread_cond_timedwait(&projection->wake, &projection->lock, &limit);
    pthread_mutex_unlock(&projection->lock);
}

static struct ctx call_ctx(void)
{
    return (struct ctx){ .request_id = "", .deadline_ms = clock_ms() + CALL_MS };
}

/* One page in a transaction of its own. */
static bool fill_page(struct store *store, struct library *library, char *cursor, size_t room, bool *more)
{
    struct ctx ctx = call_ctx();
    struct scan scan = { .index = "by_published", .limit = PAGE, .cursor = *cursor ? cursor : NULL };
    struct page page;
    bool good = store_scan(&ctx, store, &track_collection, &scan, &page) && library_begin(&ctx, library);
    for (size_t i = 0; good && i < page.count; i++)
        good = library_apply(&ctx, library, (struct track *)page.items + i);
    good = good && library_commit(&ctx, library, 0);
    if (!good) {
        library_rollback(library);
        log_failure(LOG_WARN, &ctx, "the projection cannot be built");
    }
    *more = good && page.next && (size_t)snprintf(cursor, room, "%s", page.next) < room;
    ctx_finish(&ctx);
    return good;
}

bool projection_fill(struct ctx *ctx, struct store *store, struct library *library, const atomic_bool *stop)
{
    char cursor[16 << 10] = "";
    for (bool more = true; more;) {
        if ((stop && atomic_load(stop)) || !fill_page(store, library, cursor, sizeof cursor, &more))
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "the projection was not built to its end");
    }
    return true;
}

static void swap(struct projection *projection, struct library *library)
{
    pthread_mutex_lock(&projection->lock);
    struct library *before = projection->library;
    projection->library = library;
    pthread_mutex_unlock(&projection->lock);
    library_unref(before);
    projection_folder_tidy(&projection->folder);
}

/* Beside the one that answers. The position is noted before the scan: what is written meanwhile comes again as an
 * event. */
static bool build(struct ctx *ctx, struct projection *projection, uint64_t *after)
{
    struct position position = { .store = projection->store };
    int64_t began = clock_ms();
    if (!stream_state(ctx, projection->options.bus, stream_events.name, &position.sequence, &position.created_ms))
        return false;
    struct library *library = projection_folder_next(ctx, &projection->folder);
    if (!library)
        return false;
    if (!projection_fill(ctx, projection->options.store, library, &projection->stopping) ||
        !library_finish(ctx, library, position)) {
        library_unref(library);
        return false;
    }
    swap(projection, library);
    *after = position.sequence;
    log_info(ctx, "the projection was built", "ms", arena_printf(&ctx->arena, "%lld", (long long)(clock_ms() - began)));
    return true;
}

static bool take_event(struct ctx *ctx, struct projection *projection, const struct consumed *event)
{
    struct library *library = projection->library;
    struct track track = { 0 };
    bool there = store_get(ctx, projection->options.store, &track_collection, event->entity, &track);
    if (!there && !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return false;
    if (library_begin(ctx, library) &&
        (there ? library_apply(ctx, library, &track) : library_forget(ctx, library, event->entity)) &&
        library_commit(ctx, library, event->sequence))
        return true;
    library_rollback(library);
    return false;
}

/*
 * What an event says of a track is looked up: the store's newest version makes
 * the order of events, and one that comes twice, mean nothing. While the store
 * is away this waits, as all later events must.
 */
static bool handle(struct ctx *ctx, void *self, const struct consumed *event)
{
    struct projection *projection = self;
    bool good = false;
    (void)ctx;
    while (!good && !atomic_load(&projection->stopping)) {
        struct ctx call = call_ctx();
        good = take_event(&call, projection, event);
        if (!good)
            log_failure(LOG_WARN, &call, "the projection cannot take an event");
        ctx_finish(&call);
        if (!good)
            rest(projection, WAIT_MS);
    }
    if (good && projection->options.changed)
        projection->options.changed(projection->options.self);
    return good;
}

static bool lost(struct ctx *ctx, void *self, uint64_t first, uint64_t last, uint64_t *after)
{
    (void)first, (void)last;
    return build(ctx, self, after);
}

/* What is on the disk goes on where it was, if the stream is the same and still reaches there; else it is built anew.
 */
static bool resume(struct ctx *ctx, struct projection *projection, uint64_t *after)
{
    struct position now = { 0 }, saved = { 0 };
    if (!stream_state(ctx, projection->options.bus, stream_events.name, &now.sequence, &now.created_ms))
        return false;
    if (!projection->library || !library_position(ctx, projection->library, &saved) ||
        saved.store != projection->store || saved.created_ms != now.created_ms || saved.sequence > now.sequence)
        return build(ctx, projection, after);
    *after = saved.sequence;
    return true;
}

static bool begin_following(struct projection *projection)
{
    struct ctx ctx = { .request_id = "" };
    uint64_t after = 0;
    struct consumer_options options = {
        .stream = stream_events.name, .filter = filter, .handle = handle, .lost = lost, .self = projection
    };
    bool good = bus_up(projection->options.bus) && resume(&ctx, projection, &after);
    options.after = after;
    struct consumer *consumer = good ? consumer_start(&ctx, projection->options.bus, &options) : NULL;
    if (good && !consumer)
        log_failure(LOG_WARN, &ctx, "the projection cannot follow its stream");
    pthread_mutex_lock(&projection->lock);
    projection->consumer = consumer;
    pthread_mutex_unlock(&projection->lock);
    ctx_finish(&ctx);
    return consumer != NULL;
}

static void *begin(void *self)
{
    struct projection *projection = self;
    while (!atomic_load(&projection->stopping) && !begin_following(projection))
        rest(projection, WAIT_MS);
    return NULL;
}

static int64_t number_of(const char *name)
{
    unsigned char hash[SHA256_SIZE];
    int64_t number;
    sha256(name, strlen(name), hash);
    memcpy(&number, hash, sizeof number);
    return number;
}

/* Until NATS is there, it answers with what it knew when it stopped; but not with what it knew of another store. */
static struct library *known(struct ctx *ctx, const struct projection *projection)
{
    struct library *library = projection_folder_newest(ctx, &projection->folder);
    struct position saved = { 0 };
    if (!library || (library_position(ctx, library, &saved) && saved.store == projection->store))
        return library;
    library_unref(library);
    return NULL;
}

struct projection *projection_open(struct ctx *ctx, const struct projection_options *options)
{
    struct projection *projection = calloc(1, sizeof *projection);
    pthread_condattr_t monotonic;
    projection->options = *options;
    if (!projection_folder_take(ctx, options->dir, &projection->folder)) {
        free(projection);
        return NULL;
    }
    pthread_mutex_init(&projection->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&projection->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    projection->store = number_of(options->store_name);
    projection->library = known(ctx, projection);
    if (pthread_create(&projection->thread, NULL, begin, projection) != 0)
        abort();
    return projection;
}

void projection_close(struct projection *projection)
{
    pthread_mutex_lock(&projection->lock);
    atomic_store(&projection->stopping, true);
    pthread_cond_broadcast(&projection->wake);
    pthread_mutex_unlock(&projection->lock);
    pthread_join(projection->thread, NULL);
    if (projection->consumer)
        consumer_stop(projection->consumer);
    library_unref(projection->library);
    projection_folder_release(&projection->folder);
    pthread_cond_destroy(&projection->wake);
    pthread_mutex_destroy(&projection->lock);
    free(projection);
}

struct library *projection_library(struct ctx *ctx, struct projection *projection)
{
    pthread_mutex_lock(&projection->lock);
    struct library *library = projection->library ? library_ref(projection->library) : NULL;
    pthread_mutex_unlock(&projection->lock);
    return library ? library : ctx_fail(ctx, ERROR_UNAVAILABLE, "search is being prepared");
}

int64_t projection_lag(struct projection *projection)
{
    pthread_mutex_lock(&projection->lock);
    int64_t lag = projection->consumer ? consumer_lag(projection->consumer) : -1;
    pthread_mutex_unlock(&projection->lock);
    return lag;
}

bool projection_ready(struct ctx *ctx, void *self)
{
    int64_t lag = projection_lag(self);
    struct library *library = projection_library(ctx, self);
    if (!library)
        return false;
    library_unref(library);
    if (lag < 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "search does not follow the events");
    return lag < FAR_BEHIND || ctx_fail(ctx, ERROR_UNAVAILABLE, "search is %lld events behind", (long long)lag);
}
