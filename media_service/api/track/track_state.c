#include "track/track_state.h"

#include "base/catalogue.h"
#include "base/clock.h"

static const struct transition transitions[] = {
    /* action          from               live   to                 effect         audio  event */
    { TRACK_EDIT, TRACK_DRAFT, false, TRACK_DRAFT, EFFECT_NONE, false, NULL },
    { TRACK_EDIT, TRACK_DRAFT, true, TRACK_DRAFT, EFFECT_NONE, false, NULL },
    { TRACK_EDIT, TRACK_PUBLISHED, true, TRACK_DRAFT, EFFECT_BEGIN, false, NULL },
    { TRACK_EDIT, TRACK_UNPUBLISHED, false, TRACK_UNPUBLISHED, EFFECT_NONE, false, NULL },
    { TRACK_UPLOAD, TRACK_DRAFT, false, TRACK_DRAFT, EFFECT_NONE, false, NULL },
    { TRACK_UPLOAD, TRACK_DRAFT, true, TRACK_DRAFT, EFFECT_NONE, false, NULL },
    { TRACK_UPLOAD, TRACK_PUBLISHED, true, TRACK_DRAFT, EFFECT_BEGIN, false, NULL },
    { TRACK_UPLOAD, TRACK_UNPUBLISHED, false, TRACK_UNPUBLISHED, EFFECT_NONE, false, NULL },
    { TRACK_SUBMIT, TRACK_DRAFT, false, TRACK_SUBMITTED, EFFECT_NONE, true, "event.track.submitted" },
    { TRACK_SUBMIT, TRACK_DRAFT, true, TRACK_SUBMITTED, EFFECT_NONE, true, "event.track.submitted" },
    { TRACK_SUBMIT, TRACK_UNPUBLISHED, false, TRACK_SUBMITTED, EFFECT_NONE, true, "event.track.submitted" },
    { TRACK_WITHDRAW, TRACK_SUBMITTED, false, TRACK_DRAFT, EFFECT_NONE, false, "event.track.withdrawn" },
    { TRACK_WITHDRAW, TRACK_SUBMITTED, true, TRACK_DRAFT, EFFECT_NONE, false, "event.track.withdrawn" },
    { TRACK_PUBLISH, TRACK_SUBMITTED, false, TRACK_PUBLISHED, EFFECT_SWAP, true, "event.track.published" },
    { TRACK_PUBLISH, TRACK_SUBMITTED, true, TRACK_PUBLISHED, EFFECT_SWAP, true, "event.track.published" },
    { TRACK_RETURN, TRACK_SUBMITTED, false, TRACK_DRAFT, EFFECT_NONE, false, "event.track.returned" },
    { TRACK_RETURN, TRACK_SUBMITTED, true, TRACK_DRAFT, EFFECT_NONE, false, "event.track.returned" },
    /* The live version is what is unpublished, whatever lies beside it. */
    { TRACK_UNPUBLISH, TRACK_PUBLISHED, true, TRACK_UNPUBLISHED, EFFECT_HIDE, false, "event.track.unpublished" },
    { TRACK_UNPUBLISH, TRACK_DRAFT, true, TRACK_UNPUBLISHED, EFFECT_HIDE, false, "event.track.unpublished" },
    { TRACK_UNPUBLISH, TRACK_SUBMITTED, true, TRACK_UNPUBLISHED, EFFECT_HIDE, false, "event.track.unpublished" },
    { TRACK_DELETE, TRACK_DRAFT, false, TRACK_DRAFT, EFFECT_REMOVE, false, "event.track.deleted" },
    { TRACK_DELETE, TRACK_UNPUBLISHED, false, TRACK_UNPUBLISHED, EFFECT_REMOVE, false, "event.track.deleted" },
    { TRACK_DELETE, TRACK_DRAFT, true, TRACK_PUBLISHED, EFFECT_DROP, false, NULL },
    { TRACK_FORGET, TRACK_DRAFT, false, TRACK_DRAFT, EFFECT_REMOVE, false, "event.track.deleted" },
    { TRACK_FORGET, TRACK_SUBMITTED, false, TRACK_SUBMITTED, EFFECT_REMOVE, false, "event.track.deleted" },
    { TRACK_FORGET, TRACK_UNPUBLISHED, false, TRACK_UNPUBLISHED, EFFECT_REMOVE, false, "event.track.deleted" },
    { TRACK_FORGET, TRACK_PUBLISHED, true, TRACK_PUBLISHED, EFFECT_DROP, false, "event.track.anonymised" },
    { TRACK_FORGET, TRACK_DRAFT, true, TRACK_PUBLISHED, EFFECT_DROP, false, "event.track.anonymised" },
    { TRACK_FORGET, TRACK_SUBMITTED, true, TRACK_PUBLISHED, EFFECT_DROP, false, "event.track.anonymised" },
};

static const char *const not_now[TRACK_ACTIONS] = {
    [TRACK_EDIT] = MESSAGE("a track that is %s cannot be edited"),
    [TRACK_UPLOAD] = MESSAGE("a track that is %s cannot be given other audio"),
    [TRACK_SUBMIT] = MESSAGE("a track that is %s cannot be submitted"),
    [TRACK_WITHDRAW] = MESSAGE("a track that is %s cannot be withdrawn"),
    [TRACK_PUBLISH] = MESSAGE("a track that is %s cannot be published"),
    [TRACK_RETURN] = MESSAGE("a track that is %s cannot be returned"),
    [TRACK_UNPUBLISH] = MESSAGE("a track that is %s cannot be unpublished"),
    [TRACK_DELETE] = MESSAGE("a track that is %s cannot be deleted"),
    [TRACK_FORGET] = MESSAGE("a track that is %s cannot be forgotten"),
};

const struct transition *track_transition(struct ctx *ctx, const struct track *track, enum track_action action)
{
    const struct transition *found = NULL;
    for (size_t i = 0; i < sizeof transitions / sizeof *transitions; i++)
        if (transitions[i].action == action && (int)transitions[i].from == track->status &&
            transitions[i].live == (track->live != NULL))
            found = &transitions[i];
    if (!found)
        return ctx_fail(ctx, ERROR_CONFLICT, not_now[action], track_statuses[track->status]);
    if (found->audio && !track_working(track)->audio)
        return ctx_fail(ctx, ERROR_CONFLICT,
                        action == TRACK_SUBMIT ? "a track without audio cannot be submitted"
                                               : "a track without audio cannot be published");
    return found;
}

static void set_states(struct ctx *ctx, struct track *track)
{
    static const char *const names[] = { "draft", "submitted", "published", "unpublished" };
    const char **states = arena_array(&ctx->arena, const char *, 2);
    size_t count = 0;
    states[count++] = names[track->status];
    if (track->live && track->status != TRACK_PUBLISHED)
        states[count++] = names[TRACK_PUBLISHED];
    track->states = (struct list){ states, count };
}

static void apply(struct ctx *ctx, struct track *track, enum track_effect effect)
{
    switch (effect) {
    case EFFECT_BEGIN:
        track->draft = arena_new(&ctx->arena, struct version);
        *track->draft = *track->live;
        break;
    case EFFECT_SWAP:
        track->live = track->draft;
        track->draft = NULL;
        track->named = true;
        track->reason = NULL;
        break;
    case EFFECT_HIDE:
        track->draft = track->draft ? track->draft : track->live;
        track->live = NULL;
        break;
    case EFFECT_DROP:
        track->draft = NULL;
        break;
    case EFFECT_NONE:
    case EFFECT_REMOVE:
        break;
    }
}

void track_move(struct ctx *ctx, struct track *track, const struct transition *transition)
{
    int64_t now = clock_now_ms();
    apply(ctx, track, transition->effect);
    track->status = transition->to;
    track->updated_at = now;
    /* A new version of what is public already keeps its place in the lists. */
    if (!track->live)
        track->published_at = 0;
    else if (track->published_at == 0)
        track->published_at = now;
    track->live_tags = track->live ? track->live->tags : (struct list){ 0 };
    set_states(ctx, track);
}
