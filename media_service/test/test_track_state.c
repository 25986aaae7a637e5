/* Every action in every state: what the table allows, and that nothing else is. */
#include "track/track_state.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ctx ctx;

static void done(void)
{
    ctx_finish(&ctx);
}

TestSuite(track_state, .fini = done);

static struct track *track_in(enum track_status status, bool live, bool audio)
{
    struct track *track = arena_new(&ctx.arena, struct track);
    struct version *old = arena_new(&ctx.arena, struct version), *new = arena_new(&ctx.arena, struct version);
    old->title = "old";
    new->title = "new";
    old->audio = new->audio = audio ? arena_new(&ctx.arena, struct audio) : NULL;
    track->status = (int)status;
    track->live = live ? old : NULL;
    track->draft = status == TRACK_PUBLISHED ? NULL : new;
    track->published_at = live ? 1000 : 0;
    return track;
}

/* From the contract, written down a second time: state and whether it is public -> state after, -1 = 409. */
static const struct {
    enum track_status status;
    bool live;
    int after[TRACK_ACTIONS]; /* edit, upload, submit, withdraw, publish, return, unpublish, delete, forget */
} expected[] = {
    { TRACK_DRAFT, false, { TRACK_DRAFT, TRACK_DRAFT, TRACK_SUBMITTED, -1, -1, -1, -1, TRACK_DRAFT, TRACK_DRAFT } },
    { TRACK_SUBMITTED, false, { -1, -1, -1, TRACK_DRAFT, TRACK_PUBLISHED, TRACK_DRAFT, -1, -1, TRACK_SUBMITTED } },
    { TRACK_UNPUBLISHED,
      false,
      { TRACK_UNPUBLISHED, TRACK_UNPUBLISHED, TRACK_SUBMITTED, -1, -1, -1, -1, TRACK_UNPUBLISHED, TRACK_UNPUBLISHED } },
    { TRACK_PUBLISHED, true, { TRACK_DRAFT, TRACK_DRAFT, -1, -1, -1, -1, TRACK_UNPUBLISHED, -1, TRACK_PUBLISHED } },
    { TRACK_DRAFT,
      true,
      { TRACK_DRAFT, TRACK_DRAFT, TRACK_SUBMITTED, -1, -1, -1, TRACK_UNPUBLISHED, TRACK_PUBLISHED, TRACK_PUBLISHED } },
    { TRACK_SUBMITTED,
      true,
      { -1, -1, -1, TRACK_DRAFT, TRACK_PUBLISHED, TRACK_DRAFT, TRACK_UNPUBLISHED, -1, TRACK_PUBLISHED } },
};

Test(track_state, every_action_in_every_state)
{
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        for (int action = 0; action < TRACK_ACTIONS; action++) {
            ctx.error = NULL;
            struct track *track = track_in(expected[i].status, expected[i].live, true);
            const struct transition *transition = track_transition(&ctx, track, (enum track_action)action);
            const char *from = track_statuses[expected[i].status];
            if (expected[i].after[action] < 0) {
                cr_expect_null(transition, "%s, action %d", from, action);
                cr_expect(ctx.error && ctx.error->code == ERROR_CONFLICT);
                continue;
            }
            cr_assert(transition, "%s, action %d", from, action);
            if (transition->effect == EFFECT_REMOVE)
                continue;
            track_move(&ctx, track, transition);
            cr_expect_eq(track->status, expected[i].after[action], "%s, action %d: %s", from, action,
                         track_statuses[track->status]);
            /* What holds in every state. */
            cr_expect_eq(track->published_at > 0, track->live != NULL);
            cr_expect_eq(track->status == TRACK_PUBLISHED, track->draft == NULL);
            cr_expect(track->status != TRACK_PUBLISHED || track->live);
            cr_expect(track->status != TRACK_UNPUBLISHED || !track->live);
            cr_expect_eq(track->states.count, track->live && track->status != TRACK_PUBLISHED ? 2 : 1);
        }
}

static struct track *moved(enum track_status status, bool live, enum track_action action)
{
    struct track *track = track_in(status, live, true);
    const struct transition *transition = track_transition(&ctx, track, action);
    cr_assert(transition);
    track_move(&ctx, track, transition);
    return track;
}

Test(track_state, a_draft_beside_the_public_version_swaps_when_published)
{
    struct track *track = moved(TRACK_PUBLISHED, true, TRACK_EDIT);
    cr_expect_str_eq(track->live->title, "old");
    cr_expect_str_eq(track->draft->title, "old");
    cr_expect_neq(track->draft, track->live);
    track = moved(TRACK_SUBMITTED, true, TRACK_PUBLISH);
    cr_expect_str_eq(track->live->title, "new");
    cr_expect_eq(track->published_at, 1000, "its place in the lists stays");
    cr_expect(track->named);
    cr_expect_gt(moved(TRACK_SUBMITTED, false, TRACK_PUBLISH)->published_at, 1000);
}

Test(track_state, unpublishing_keeps_what_the_artist_works_on)
{
    cr_expect_str_eq(moved(TRACK_PUBLISHED, true, TRACK_UNPUBLISH)->draft->title, "old");
    cr_expect_str_eq(moved(TRACK_DRAFT, true, TRACK_UNPUBLISH)->draft->title, "new");
    cr_expect_str_eq(moved(TRACK_DRAFT, true, TRACK_DELETE)->live->title, "old");
}

Test(track_state, nothing_without_audio_goes_to_the_editors)
{
    cr_expect_null(track_transition(&ctx, track_in(TRACK_DRAFT, false, false), TRACK_SUBMIT));
    cr_expect_eq(ctx.error->code, ERROR_CONFLICT);
    cr_expect(strstr(ctx.error->message, "audio"));
}
