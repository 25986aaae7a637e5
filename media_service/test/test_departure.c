/* Whose account is deleted: what goes, what stays, and that nothing is left of their name. */
#include "base/text.h"
#include "departure/departure.h"
#include "store/outbox.h"
#include "test/audio_files.h"
#include "test/media_fixture.h"
#include "track/editor_http.h"
#include "track/studio_http.h"
#include "track/track_http.h"

#include <criterion/criterion.h>
#include <string.h>

#define ANN "64d100000000000000000001"
#define BOB "64d100000000000000000002"
#define NAME_OF_ANN "Name of " ANN

static struct media_fixture fixture;
static const struct route *studio;

static void setup(void)
{
    media_fixture_begin(&fixture);
    studio = studio_routes(&fixture.ctx.arena, 64 << 20);
}

static void teardown(void)
{
    media_fixture_end(&fixture);
}

TestSuite(departure, .init = setup, .fini = teardown, .timeout = 120);

#define text(...) arena_printf(&fixture.ctx.arena, __VA_ARGS__)

static const char *as(const char *user, enum method method, const char *path, const char *body, int want)
{
    int status;
    const struct route *routes = text_starts(path, "/studio")   ? studio
                                 : text_starts(path, "/editor") ? editor_routes
                                                                : track_routes;
    const char *data = media_call(&fixture, routes, user, method, path, body, &status);
    cr_assert_eq(status, want, "%s %s: %d, not %d (%s)", method_name(method), path, status, want,
                 fixture.req.ctx.error ? fixture.req.ctx.error->message : "");
    return data ? data : "null";
}

static const char *member(const char *json, const char *path)
{
    const char *found = json_member(&fixture, json, path);
    return found ? found : "(none)";
}

static void step(const char *user, const char *area, const char *id, const char *what)
{
    as(user, PUT, text("/%s/tracks/%s/%s", area, id, what), "{\"reason\":\"too quiet\"}", 200);
}

static const char *uploaded(const char *user, const char *title, const char *facts)
{
    const char *id = make_draft(&fixture, user, title, "");
    cr_assert_eq(media_upload(&fixture, user, id, audio_file("flac", facts)), 200);
    return id;
}

static const char *published(const char *user, const char *title, const char *facts)
{
    const char *id = uploaded(user, title, facts);
    step(user, "studio", id, "submit");
    step("editor", "editor", id, "publish");
    return id;
}

static void delete_user(const char *id)
{
    const struct consumed event = { .type = "event.user.deleted", .id = "e", .entity = id, .data = "{}" };
    cr_assert(departure_handle(&fixture.ctx, &fixture.tracks, &event), "%s",
              fixture.ctx.error ? fixture.ctx.error->message : "");
}

static struct track *stored(const char *id)
{
    struct track *track = track_store_get(&fixture.ctx, fixture.store, id);
    if (!track)
        cr_assert(ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND));
    return track;
}

static size_t events_of(const char *type)
{
    struct outbox_event *events;
    size_t count, found = 0;
    cr_assert(outbox_read(&fixture.ctx, fixture.store, 1000, &events, &count));
    for (size_t i = 0; i < count; i++)
        found += text_equal(events[i].type, type);
    return found;
}

Test(departure, what_was_never_public_goes)
{
    const char *draft = make_draft(&fixture, ANN, "Draft", ""), *other = make_draft(&fixture, BOB, "Draft", "");
    const char *submitted = uploaded(ANN, "Submitted", ""), *back = published(ANN, "Back", "");
    step(ANN, "studio", submitted, "submit");
    step("editor", "editor", back, "unpublish");
    delete_user(ANN);
    cr_expect_null(stored(draft));
    cr_expect_null(stored(submitted));
    cr_expect_null(stored(back));
    cr_expect_eq(events_of("event.track.deleted"), 3);
    cr_assert_not_null(stored(other), "another's stays");
    cr_expect_eq(stored(other)->doc.version, 1);
}

Test(departure, what_is_public_stays_and_is_nobodys)
{
    const char *id = published(ANN, "Public", "-metadata album='At Home'");
    const char *before = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(member(before, "artists.0.name"), NAME_OF_ANN);
    as(ANN, PUT, text("/studio/tracks/%s", id), "{\"title\":\"A new title\"}", 200);
    step("editor", "editor", published(BOB, "Other", ""), "unpublish");
    int64_t updated_at = stored(id)->updated_at;

    delete_user(ANN);
    const char *after = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(member(after, "title"), "Public");
    cr_expect_str_eq(member(after, "slug"), "public");
    cr_expect_str_eq(member(after, "status"), "PUBLISHED");
    cr_expect_str_eq(member(after, "artists.0.name"), "Anonymous");
    cr_expect_str_neq(member(after, "artists.0.id"), member(before, "artists.0.id"));
    cr_expect_str_eq(member(after, "album.name"), "At Home");
    cr_expect_str_neq(member(after, "album.id"), member(before, "album.id"), "it named the artist");
    as(NULL, GET, text("/tracks/%s/stream", id), NULL, 200);
    const struct track *track = stored(id);
    cr_expect_null(track->draft);
    cr_expect_eq(track->updated_at, updated_at);
    cr_expect_eq(events_of("event.track.anonymised"), 1);
    const struct artist_ref *album_artist = track->live->audio->album_artists.items;
    cr_expect_str_eq(album_artist->name, "Anonymous");
}

/* What a file says is the work, and no name of ours. */
Test(departure, what_the_file_names_stays)
{
    const char *id = published(ANN, "Public", "-metadata artist='Some Band' -metadata album='At Home'");
    const char *before = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    int64_t version = stored(id)->doc.version;
    delete_user(ANN);
    const char *after = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(after, before);
    cr_expect_eq(stored(id)->doc.version, version, "there was nothing to do");
}

/* Its draft goes, where there is nothing else to do. */
Test(departure, what_the_file_names_beside_a_draft_stays_without_it)
{
    const char *id = published(ANN, "Public", "-metadata artist='Some Band'");
    as(ANN, PUT, text("/studio/tracks/%s", id), "{\"title\":\"A new title\"}", 200);
    delete_user(ANN);
    cr_expect_null(stored(id)->draft);
    cr_expect_eq(stored(id)->status, TRACK_PUBLISHED);
}

/* An album that its file gives another artist, or a release, is that album still. */
Test(departure, albums_of_others_stay)
{
    const char *id = published(ANN, "Public", "-metadata album='At Home' -metadata album_artist='Various'");
    const char *before = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    delete_user(ANN);
    const char *after = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(member(after, "artists.0.name"), "Anonymous");
    cr_expect_str_eq(member(after, "album.id"), member(before, "album.id"));
}

Test(departure, works_of_one_stay_together_and_apart_from_anothers)
{
    const char *first = published(ANN, "First", ""), *second = published(ANN, "Second", "");
    const char *other = published(BOB, "Other", "");
    delete_user(ANN);
    delete_user(BOB);
    const char *artist = member(as(NULL, GET, text("/tracks/id/%s", first), NULL, 200), "artists.0.id");
    cr_expect_str_eq(member(as(NULL, GET, text("/tracks/id/%s", second), NULL, 200), "artists.0.id"), artist);
    cr_expect_str_neq(member(as(NULL, GET, text("/tracks/id/%s", other), NULL, 200), "artists.0.id"), artist);
}

/* A stream delivers at least once. */
Test(departure, is_effective_once)
{
    const char *id = published(ANN, "Public", "");
    make_draft(&fixture, ANN, "Draft", "");
    delete_user(ANN);
    int64_t version = stored(id)->doc.version;
    for (int i = 0; i < 3; i++)
        delete_user(ANN);
    cr_expect_eq(stored(id)->doc.version, version);
    cr_expect_eq(events_of("event.track.anonymised"), 1);
    cr_expect_eq(events_of("event.track.deleted"), 1);
}

/* Their token was good when the request began. */
Test(departure, what_they_write_meanwhile_goes_too)
{
    const char *id = published(ANN, "Public", "");
    delete_user(ANN);
    as(ANN, POST, "/studio/tracks", "{\"title\":\"Too late\"}", 401);
    as(ANN, PUT, text("/studio/tracks/%s", id), "{\"title\":\"Too late\"}", 401);
    cr_expect_eq(media_upload(&fixture, ANN, id, audio_file("flac", "")), 401);
    struct page page;
    cr_assert(track_store_by_owner(&fixture.ctx, fixture.store, ANN, NULL, 100, NULL, &page));
    cr_assert_eq(page.count, 1);
    const struct track *left = page.items;
    cr_expect_str_eq(left->doc.id, id);
    cr_expect_null(left->draft);
    cr_expect_str_eq(left->live->title, "Public");
}

/* By an editor, for whoever asks for it: nobody is left who would work on it. */
Test(departure, what_is_taken_back_afterwards_goes)
{
    const char *id = published(ANN, "Public", "");
    delete_user(ANN);
    step("editor", "editor", id, "unpublish");
    cr_expect_null(stored(id));
}

Test(departure, nobody_is_no_reason_to_wait)
{
    make_draft(&fixture, ANN, "Draft", "");
    delete_user("64d100000000000000000009");
    delete_user("");
    delete_user("no id");
    struct page page;
    cr_assert(track_store_by_owner(&fixture.ctx, fixture.store, ANN, NULL, 100, NULL, &page));
    cr_expect_eq(page.count, 1);
}

/* It comes again: nothing is said to be done that is not. */
Test(departure, an_outage_leaves_it_to_be_done)
{
    const char *id = make_draft(&fixture, ANN, "Draft", "");
    struct ctx late = { .request_id = "", .deadline_ms = 1 };
    const struct consumed event = { .type = "event.user.deleted", .id = "e", .entity = ANN, .data = "{}" };
    cr_expect_not(departure_handle(&late, &fixture.tracks, &event));
    ctx_finish(&late);
    cr_assert_not_null(stored(id));
    delete_user(ANN);
    cr_expect_null(stored(id));
}
