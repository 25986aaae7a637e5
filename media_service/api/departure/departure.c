#include "departure/departure.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "track/identity.h"

enum { PAGE = 100, TRIES = 8 };

static const struct field departed_fields[] = {
    FIELD("at", TIME, struct departed, at, .required = true),
    { 0 },
};

const struct collection departed_collection = { "departed", departed_fields, sizeof(struct departed), NULL };

/* Before anything is looked for: what they write after this sees it (departure_check). */
static bool note(struct ctx *ctx, struct store *store, const char *owner)
{
    struct departed departed = { .doc.id = owner, .at = clock_now_ms() };
    return store_insert(ctx, store, &departed_collection, &departed, NO_EVENTS) || ctx_forgive(ctx, ERROR_CONFLICT);
}

/* Whether there was anything to do. */
static bool make_anonymous(struct ctx *ctx, struct track *track, const struct transition *transition)
{
    int64_t updated_at = track->updated_at;
    bool changed = track->draft || track->reason;
    track_move(ctx, track, transition);
    track->updated_at = updated_at; /* nobody worked on it */
    track->reason = NULL;
    return (track->live->audio && identify_nobody(&ctx->arena, track->owner_id, track->live->audio)) || changed;
}

static bool forget_once(struct ctx *ctx, const struct tracks *tracks, const char *id)
{
    struct track *track = track_store_get(ctx, tracks->store, id);
    if (!track)
        return ctx_forgive(ctx, ERROR_NOT_FOUND);
    const struct transition *transition = track_transition(ctx, track, TRACK_FORGET);
    if (!transition || (transition->effect != EFFECT_REMOVE && !make_anonymous(ctx, track, transition)))
        return transition;
    if (!track_store_save(ctx, tracks->store, track, transition))
        return false;
    if (track->live && tracks->shown)
        tracks->shown(tracks->self);
    return true;
}

static bool forget(struct ctx *ctx, const struct tracks *tracks, const char *id)
{
    for (int i = 0; i < TRIES; i++)
        if (forget_once(ctx, tracks, id) || !ctx_forgive(ctx, ERROR_CONFLICT))
            return !ctx->error;
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

bool departure_of(struct ctx *ctx, const struct tracks *tracks, const char *owner)
{
    struct page page = { 0 };
    do {
        if (!track_store_of(ctx, tracks->store, owner, PAGE, page.next, &page))
            return false;
        const struct track *items = page.items;
        for (size_t i = 0; i < page.count; i++)
            if (!forget(ctx, tracks, items[i].doc.id))
                return false;
    } while (page.next);
    return true;
}

bool departure_handle(struct ctx *ctx, void *self, const struct consumed *event)
{
    const struct tracks *tracks = self;
    if (!id_valid(event->entity)) {
        log_warn(ctx, "somebody without an id was deleted");
        return true;
    }
    return note(ctx, tracks->store, event->entity) && departure_of(ctx, tracks, event->entity);
}

bool departure_again(struct ctx *ctx, const struct tracks *tracks, const char *owner, bool *gone)
{
    struct departed departed;
    *gone = store_get(ctx, tracks->store, &departed_collection, owner, &departed);
    if (!*gone)
        return ctx_forgive(ctx, ERROR_NOT_FOUND);
    return departure_of(ctx, tracks, owner);
}

struct track *departure_check(struct ctx *ctx, const struct tracks *tracks, struct track *track)
{
    bool gone;
    if (!track || !departure_again(ctx, tracks, track->owner_id, &gone))
        return NULL;
    return gone ? ctx_fail(ctx, ERROR_UNAUTHORIZED, "the account is deleted") : track;
}
