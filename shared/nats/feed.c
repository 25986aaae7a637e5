#include "nats/feed.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/lru.h"
#include "base/text.h"
#include "contract/messages.h"
#include "nats/follow.h"
#include "nats/jetstream.h"

#include <string.h>

enum { KINDS = 3, CAPACITY = 1 << 17 };

static const char *const subjects[KINDS + 1] = {
    [REVOKED_SESSION] = "auth.session.revoked",
    [REVOKED_APIKEY] = "auth.apikey.revoked",
    [CHANGED_USER] = "auth.user.changed",
};

struct feed {
    struct feed_options options;
    struct follow *follow;
    pthread_mutex_t mutex;
    struct lru *known[KINDS]; /* id -> int64_t * version */
    uint64_t generation;      /* by __atomic */
    int64_t roles_version;    /* the newest, by __atomic; 0 = none was told of */
    int64_t roles_until_ms;   /* by __atomic: a store that was restored has an older one again */
};

/*
 * What is pushed out of a full table would be believed again. So everything
 * that was asked for before that is asked for again: slower, never wrong.
 */
static void make_room(struct feed *feed, enum revoked kind)
{
    if (lru_count(feed->known[kind]) >= CAPACITY)
        __atomic_add_fetch(&feed->generation, 1, __ATOMIC_ACQ_REL);
}

/* With the lock held. */
static void remember_roles(struct feed *feed, int64_t version)
{
    if (version >= __atomic_load_n(&feed->roles_version, __ATOMIC_RELAXED) ||
        clock_ms() >= __atomic_load_n(&feed->roles_until_ms, __ATOMIC_RELAXED)) {
        __atomic_store_n(&feed->roles_until_ms, clock_ms() + feed->options.keep_ms, __ATOMIC_RELEASE);
        __atomic_store_n(&feed->roles_version, version, __ATOMIC_RELEASE);
    }
}

bool feed_roles_newer(const struct feed *feed, int64_t version)
{
    return __atomic_load_n(&feed->roles_version, __ATOMIC_ACQUIRE) > version &&
           clock_ms() < __atomic_load_n(&feed->roles_until_ms, __ATOMIC_ACQUIRE);
}

static void remember(struct feed *feed, enum revoked kind, const char *id, int64_t version)
{
    pthread_mutex_lock(&feed->mutex);
    if (kind == CHANGED_USER && text_equal(id, FEED_ROLES))
        remember_roles(feed, version);
    int64_t *before = lru_get(feed->known[kind], id);
    if (!before)
        make_room(feed, kind);
    int64_t *now = malloc(sizeof *now);
    if (!now)
        abort();
    *now = before && *before > version ? *before : version;
    lru_put(feed->known[kind], id, now, clock_ms() + feed->options.keep_ms);
    pthread_mutex_unlock(&feed->mutex);
}

void feed_note(struct feed *feed, enum revoked kind, const char *id, int64_t version)
{
    remember(feed, kind, id, version);
    if (feed->options.changed)
        feed->options.changed(feed->options.self, kind, id, version);
}

static int kind_of(const char *subject)
{
    for (int kind = 0; kind < KINDS; kind++)
        if (text_equal(subjects[kind], subject))
            return kind;
    return -1;
}

static void heard(void *self, const char *subject, const char *data, size_t size)
{
    int kind = kind_of(subject);
    struct ctx ctx = { .request_id = "" };
    struct revocation revocation = { 0 };
    if (kind >= 0 && record_parse(&ctx, data, size, revocation_fields, &revocation))
        feed_note(self, (enum revoked)kind, revocation.id, revocation.version);
    else
        log_warn(&ctx, "nats: a revocation that cannot be read", "subject", subject);
    ctx_finish(&ctx);
}

static bool message(void *self, const struct stream_message *message)
{
    heard(self, message->subject, message->data, message->size);
    return true;
}

/* The stream is another one, or has dropped what was not read: what it held and we do not know is lost, so nothing that
 * was asked for may be kept. */
static bool lost(void *self, const struct stream_info *stream, uint64_t *after)
{
    struct feed *feed = self;
    log_warn(NULL, "nats: the feed of revocations has a gap; all answers are asked for again");
    __atomic_add_fetch(&feed->generation, 1, __ATOMIC_ACQ_REL);
    if (feed->options.lost)
        feed->options.lost(feed->options.self);
    *after = stream->first - 1;
    return true;
}

struct feed *feed_open(struct ctx *ctx, const struct feed_options *options)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        abort();
    feed->options = *options;
    pthread_mutex_init(&feed->mutex, NULL);
    for (int kind = 0; kind < KINDS; kind++)
        feed->known[kind] = lru_create(CAPACITY, free);
    feed->follow = follow_start(ctx, &(struct follow_options){ .bus = options->bus,
                                                               .stream = "REVOKED",
                                                               .hints = subjects,
                                                               .from_start = true,
                                                               .message = message,
                                                               .lost = lost,
                                                               .hint = heard,
                                                               .self = feed });
    if (feed->follow)
        return feed;
    feed_close(feed);
    return NULL;
}

void feed_close(struct feed *feed)
{
    if (!feed)
        return;
    follow_stop(feed->follow);
    for (int kind = 0; kind < KINDS; kind++)
        lru_destroy(feed->known[kind]);
    pthread_mutex_destroy(&feed->mutex);
    free(feed);
}

int64_t feed_known_ms(const struct feed *feed)
{
    return follow_known_ms(feed->follow);
}

bool feed_whole(const struct feed *feed)
{
    return follow_whole(feed->follow);
}

uint64_t feed_generation(const struct feed *feed)
{
    return __atomic_load_n(&feed->generation, __ATOMIC_ACQUIRE);
}

bool feed_revoked(struct feed *feed, enum revoked kind, const char *id, int64_t version)
{
    pthread_mutex_lock(&feed->mutex);
    const int64_t *known = lru_get(feed->known[kind], id);
    bool out = known && (kind != CHANGED_USER || *known > version);
    pthread_mutex_unlock(&feed->mutex);
    return out;
}

bool feed_publish(struct ctx *ctx, struct feed *feed, enum revoked kind, const char *id, int64_t version)
{
    struct buf body = BUF(&ctx->arena);
    struct revocation revocation = { id, version };
    record_json(&body, revocation_fields, &revocation);
    if (!js_publish(ctx, feed->options.bus, subjects[kind], body.data, body.size, NULL))
        return false;
    feed_note(feed, kind, id, version);
    return true;
}
