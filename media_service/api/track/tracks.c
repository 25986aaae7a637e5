#include "track/tracks.h"

#include "base/text.h"

enum { CHANGE_TRIES = 8 };

struct track *track_owned(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *id)
{
    struct track *track = track_store_get(ctx, tracks->store, id);
    if (track && owner && !text_equal(track->owner_id, owner))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "no such track");
    return track;
}

static struct track *live_only(struct ctx *ctx, struct track *track)
{
    return !track || track->live ? track : ctx_fail(ctx, ERROR_NOT_FOUND, "no such track");
}

struct track *track_live(struct ctx *ctx, const struct tracks *tracks, const char *id)
{
    return live_only(ctx, track_store_get(ctx, tracks->store, id));
}

struct track *track_live_by_slug(struct ctx *ctx, const struct tracks *tracks, const char *slug)
{
    return live_only(ctx, track_store_by_slug(ctx, tracks->store, slug));
}

static bool move(struct ctx *ctx, struct track *track, const struct transition *transition, const struct change *change)
{
    if (transition->effect == EFFECT_REMOVE)
        return true;
    track_move(ctx, track, transition);
    if (change->reason)
        track->reason = change->reason;
    return !change->edit || change->edit(ctx, change->self, track->draft);
}

struct track *track_change(struct ctx *ctx, const struct tracks *tracks, const char *id, const struct change *change)
{
    for (int i = 0; i < CHANGE_TRIES; i++) {
        struct track *track = track_owned(ctx, tracks, change->owner, id);
        const struct transition *transition = track ? track_transition(ctx, track, change->action) : NULL;
        bool was_live = track && track->live;
        if (!transition || !move(ctx, track, transition, change))
            return NULL;
        if (track_store_save(ctx, tracks->store, track, transition)) {
            if ((was_live || track->live) && transition->event && tracks->shown)
                tracks->shown(tracks->self);
            return track;
        }
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return NULL;
    }
    return ctx_fail(ctx, ERROR_CONFLICT, "the track is being changed by others at the same time");
}
