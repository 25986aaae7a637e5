#include "track/track_store.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "text/fold.h"

#include <string.h>

enum {
    INSERT_TRIES = 8,
    SLUG_BYTES = 96,
    SLUG_NUMBERS = 500, /* -2 to -500; after that a random ending */
    SLUG_MAX = 128,     /* of one that is asked for */
};

static const struct index track_indexes[] = {
    { "by_slug", { "slug" }, true },
    { "by_owner", { "ownerId", "updatedAt" }, false },
    { "by_owner_state", { "ownerId", "states", "updatedAt" }, false },
    { "by_state", { "states", "updatedAt" }, false },
    { "by_published", { "publishedAt" }, false },
    { "by_tag", { "liveTags", "publishedAt" }, false },
    { 0 },
};

const struct collection track_collection = { "tracks", track_fields, sizeof(struct track), track_indexes };

/* What others are told of a track: ids and what is public. */
struct track_event {
    const char *owner_id, *slug, *title, *reason;
};

static const struct field track_event_fields[] = {
    FIELD("ownerId", ID, struct track_event, owner_id),
    FIELD("slug", TEXT, struct track_event, slug),
    FIELD("title", TEXT, struct track_event, title),
    FIELD("reason", TEXT, struct track_event, reason),
    { 0 },
};

static bool slug_taken(struct ctx *ctx, struct store *store, const char *slug, const char *id, bool *taken)
{
    struct track other;
    *taken = store_find(ctx, store, &track_collection, "by_slug", &KEY_TEXT(slug), 1, &other) &&
             strcmp(other.doc.id, id) != 0;
    return !ctx->error || ctx_forgive(ctx, ERROR_NOT_FOUND);
}

static const char *slug_base(struct ctx *ctx, const char *title)
{
    char *slug = fold_join(&ctx->arena, title, '-');
    if (strlen(slug) > SLUG_BYTES) {
        size_t end = SLUG_BYTES;
        while (end > 0 && ((unsigned char)slug[end] & 0xc0) == 0x80)
            end--;
        slug[end] = '\0';
    }
    return *slug ? slug : "track";
}

/* Still "x", "x-2", ... of this title? Then it stays. */
static bool slug_fits(const char *slug, const char *base)
{
    int64_t number;
    size_t length = strlen(base);
    if (!slug || strncmp(slug, base, length) != 0)
        return false;
    return !slug[length] || (slug[length] == '-' && text_number(slug + length + 1, SLUG_NUMBERS, &number));
}

/* The title's slug, or the first free one after it. The unique index decides; this only finds a candidate. */
static bool slug_choose(struct ctx *ctx, struct store *store, struct track *track)
{
    const char *base = slug_base(ctx, track_working(track)->title);
    if (track->named || slug_fits(track->slug, base))
        return true;
    bool taken = true;
    const char *slug = base;
    for (int number = 2; number <= SLUG_NUMBERS; number++) {
        if (!slug_taken(ctx, store, slug, track->doc.id, &taken))
            return false;
        if (!taken)
            break;
        slug = arena_printf(&ctx->arena, "%s-%d", base, number);
    }
    track->slug = taken ? arena_printf(&ctx->arena, "%s-%s", base, id_new(&ctx->arena)) : slug;
    return true;
}

static const struct event *event_of(struct ctx *ctx, const char *type, const struct track *track)
{
    struct track_event *data = arena_new(&ctx->arena, struct track_event);
    *data = (struct track_event){
        .owner_id = track->owner_id, .slug = track->slug, .reason = track->reason, .title = track_working(track)->title
    };
    struct event *event = arena_new(&ctx->arena, struct event);
    *event = (struct event){ .type = type, .fields = track_event_fields, .data = data };
    return event;
}

bool track_store_insert(struct ctx *ctx, struct store *store, struct track *track)
{
    static const struct transition born = { .to = TRACK_DRAFT };
    track->doc.id = id_new(&ctx->arena);
    track_move(ctx, track, &born);
    track->created_at = track->updated_at;
    for (int i = 0; i < INSERT_TRIES; i++) {
        track->slug = NULL;
        if (!slug_choose(ctx, store, track))
            return false;
        struct events events = { event_of(ctx, "event.track.created", track), 1 };
        if (store_insert(ctx, store, &track_collection, track, events))
            return true;
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return false;
    }
    return ctx_fail(ctx, ERROR_CONFLICT, "too many tracks of this title are made at once");
}

struct track *track_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    struct track *track = arena_new(&ctx->arena, struct track);
    if (!id || !id_valid(id))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "no such track");
    if (store_get(ctx, store, &track_collection, id, track))
        return track;
    return ctx_forgive(ctx, ERROR_NOT_FOUND) ? ctx_fail(ctx, ERROR_NOT_FOUND, "no such track") : NULL;
}

struct track *track_store_by_slug(struct ctx *ctx, struct store *store, const char *slug)
{
    struct track *track = arena_new(&ctx->arena, struct track);
    if (!slug || !*slug || strlen(slug) > SLUG_MAX)
        return ctx_fail(ctx, ERROR_NOT_FOUND, "no such track");
    if (store_find(ctx, store, &track_collection, "by_slug", &KEY_TEXT(slug), 1, track))
        return track;
    return ctx_forgive(ctx, ERROR_NOT_FOUND) ? ctx_fail(ctx, ERROR_NOT_FOUND, "no such track") : NULL;
}

bool track_store_save(struct ctx *ctx, struct store *store, struct track *track, const struct transition *transition)
{
    if (transition->effect != EFFECT_REMOVE && !slug_choose(ctx, store, track))
        return false;
    struct events events = NO_EVENTS;
    if (transition->event)
        events = (struct events){ event_of(ctx, transition->event, track), 1 };
    if (transition->effect == EFFECT_REMOVE)
        return store_remove(ctx, store, &track_collection, track->doc.id, track->doc.version, events);
    struct update update = { .set = FIELDS("slug", "status", "states", "draft", "live", "liveTags", "named", "reason",
                                           "updatedAt", "publishedAt"),
                             .events = events };
    return store_update(ctx, store, &track_collection, track, update);
}

static bool list(struct ctx *ctx, struct store *store, struct scan scan, size_t limit, const char *cursor,
                 struct page *out)
{
    scan.descending = true;
    scan.limit = limit;
    scan.cursor = cursor;
    return store_scan(ctx, store, &track_collection, &scan, out);
}

bool track_store_by_owner(struct ctx *ctx, struct store *store, const char *owner, const char *state, size_t limit,
                          const char *cursor, struct page *out)
{
    struct scan all = { .index = "by_owner", .equal = { KEY_TEXT(owner) }, .equals = 1 };
    struct scan some = { .index = "by_owner_state", .equal = { KEY_TEXT(owner), KEY_TEXT(state) }, .equals = 2 };
    return list(ctx, store, state ? some : all, limit, cursor, out);
}

bool track_store_of(struct ctx *ctx, struct store *store, const char *owner, size_t limit, const char *cursor,
                    struct page *out)
{
    const struct scan scan = {
        .index = "by_owner", .equal = { KEY_TEXT(owner) }, .equals = 1, .limit = limit, .cursor = cursor
    };
    return store_scan(ctx, store, &track_collection, &scan, out);
}

bool track_store_by_state(struct ctx *ctx, struct store *store, const char *state, size_t limit, const char *cursor,
                          struct page *out)
{
    struct scan scan = { .index = "by_state", .equal = { KEY_TEXT(state) }, .equals = 1 };
    return list(ctx, store, scan, limit, cursor, out);
}

bool track_store_latest(struct ctx *ctx, struct store *store, size_t limit, const char *cursor, struct page *out)
{
    return list(ctx, store, (struct scan){ .index = "by_published" }, limit, cursor, out);
}

bool track_store_by_tag(struct ctx *ctx, struct store *store, const char *tag, size_t limit, const char *cursor,
                        struct page *out)
{
    struct scan scan = { .index = "by_tag", .equal = { KEY_TEXT(tag) }, .equals = 1 };
    return list(ctx, store, scan, limit, cursor, out);
}
