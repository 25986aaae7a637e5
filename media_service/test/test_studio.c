/* The rows of artists, editors and everybody, on a real store, with real audio. */
#include "base/text.h"
#include "test/audio_files.h"
#include "test/folder.h"
#include "test/media_fixture.h"
#include "store/outbox.h"
#include "track/cover.h"
#include "track/editor_http.h"
#include "track/studio_http.h"
#include "track/track_http.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

TestSuite(studio, .init = setup, .fini = teardown, .timeout = 120);

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

static const char *step(const char *user, const char *area, const char *id, const char *what, const char *body,
                        int want)
{
    return as(user, PUT, text("/%s/tracks/%s/%s", area, id, what), body, want);
}

static void upload(const char *user, const char *id, int fd, int want)
{
    int status = media_upload(&fixture, user, id, fd);
    cr_assert_eq(status, want, "%d, not %d (%s)", status, want,
                 fixture.req.ctx.error ? fixture.req.ctx.error->message : "");
}

static const char reason[] = "{\"reason\":\"too quiet\"}";

Test(studio, from_a_draft_to_the_public_and_back)
{
    const char *id = make_draft(&fixture, "ann", "First", ",\"tags\":[\"folk\",\"folk\",\"live\"],\"language\":\"de\"");
    const char *mine = as("ann", GET, text("/studio/tracks/%s", id), NULL, 200);
    cr_expect_str_eq(member(mine, "status"), "DRAFT");
    cr_expect_str_eq(member(mine, "tags"), "[\"folk\",\"live\"]");
    cr_expect_str_eq(member(mine, "language"), "de");
    cr_expect_str_eq(member(mine, "slug"), "first");
    step("ann", "studio", id, "submit", NULL, 409);
    upload("ann", id, audio_file("flac", ""), 200);
    step("editor", "editor", id, "publish", NULL, 409);
    step("ann", "studio", id, "submit", NULL, 200);
    as(NULL, GET, text("/tracks/id/%s", id), NULL, 404);
    cr_expect_eq(fixture.shown, 0);
    cr_expect_str_eq(member(step("editor", "editor", id, "return", reason, 200), "reason"), "too quiet");
    step("ann", "studio", id, "submit", NULL, 200);
    step("editor", "editor", id, "publish", NULL, 200);
    cr_expect_eq(fixture.shown, 1);
    const char *live = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(member(live, "status"), "PUBLISHED");
    cr_expect_str_eq(member(live, "title"), "First");
    cr_expect_str_eq(member(live, "reason"), "(none)");
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/slug/first", NULL, 200), "id"), id);
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/latest", NULL, 200), "items.0.id"), id);
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/tag/folk", NULL, 200), "items.0.id"), id);
    as(NULL, GET, text("/tracks/%s/stream", id), NULL, 200);
    cr_expect_str_eq(member(step("editor", "editor", id, "unpublish", reason, 200), "status"), "UNPUBLISHED");
    cr_expect_eq(fixture.shown, 2);
    as(NULL, GET, text("/tracks/id/%s", id), NULL, 404);
    as(NULL, GET, "/tracks/slug/first", NULL, 404);
    as(NULL, GET, text("/tracks/%s/stream", id), NULL, 404);
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/latest", NULL, 200), "items"), "[]");
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/tag/folk", NULL, 200), "items"), "[]");
    step("ann", "studio", id, "submit", NULL, 200);
    step("editor", "editor", id, "publish", NULL, 200);
    as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
}

Test(studio, a_track_answers_with_every_key)
{
    static const char *const keys[] = { "id",      "slug",    "title",       "description", "tags",       "artists",
                                        "album",   "genres",  "year",        "trackNumber", "discNumber", "duration",
                                        "codec",   "bitRate", "bitDepth",    "sampleRate",  "channels",   "size",
                                        "coverId", "status",  "publishedAt", "plays" };
    const char *id = make_published(&fixture, "ann", "Bare", "");
    const char *live = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    const char *draft = as("ann", GET, text("/studio/tracks/%s", make_draft(&fixture, "ann", "Barer", "")), NULL, 200);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cr_expect(strstr(live, text("\"%s\":", keys[i])), "%s", keys[i]);
        cr_expect(strstr(draft, text("\"%s\":", keys[i])), "%s", keys[i]);
    }
    cr_expect_str_eq(member(live, "codec"), "flac");
    cr_expect_str_eq(member(live, "artists.0.name"), "Some Band");
}

Test(studio, the_file_tells_who_it_is_and_without_it_the_uploader)
{
    const char *id = make_draft(&fixture, "ann", "One", "");
    upload("ann", id,
           audio_file("flac", "-metadata artist='Łukasz' -metadata album=Alb -metadata genre=Folk -metadata date=1999 "
                              "-metadata track=3/12"),
           200);
    const char *one = as("ann", GET, text("/studio/tracks/%s", id), NULL, 200);
    cr_expect_str_eq(member(one, "artists.0.name"), "Łukasz");
    cr_expect_str_eq(member(one, "album.name"), "Alb");
    cr_expect_str_eq(member(one, "genres.0"), "Folk");
    cr_expect_str_eq(member(one, "year"), "1999");
    cr_expect_str_eq(member(one, "trackNumber"), "3");
    /* The same artist and album, spelt otherwise, are the same. */
    const char *other = make_draft(&fixture, "bob", "Two", "");
    upload("bob", other, audio_file("mp3", "-metadata artist='LUKASZ' -metadata album='ALB'"), 200);
    const char *two = as("bob", GET, text("/studio/tracks/%s", other), NULL, 200);
    cr_expect_str_eq(member(two, "artists.0.id"), member(one, "artists.0.id"));
    cr_expect_str_eq(member(two, "album.id"), member(one, "album.id"));
    upload("bob", other, audio_file("wav", ""), 200);
    two = as("bob", GET, text("/studio/tracks/%s", other), NULL, 200);
    cr_expect_str_eq(member(two, "artists.0.name"), "Name of bob");
    cr_expect_str_eq(member(two, "album"), "(none)");
}

Test(studio, an_edit_of_a_public_track_is_a_draft_beside_it)
{
    const char *id = make_published(&fixture, "ann", "Before", ",\"tags\":[\"old\"]");
    const char *edited = as("ann", PUT, text("/studio/tracks/%s", id), "{\"title\":\"After\",\"tags\":[\"new\"]}", 200);
    cr_expect_str_eq(member(edited, "status"), "DRAFT");
    cr_expect_str_eq(member(edited, "title"), "After");
    cr_expect_str_eq(member(edited, "published"), "true");
    cr_expect_str_eq(member(edited, "codec"), "flac");
    const char *live = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(member(live, "title"), "Before");
    step("ann", "studio", id, "submit", NULL, 200);
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/tag/old", NULL, 200), "items.0.title"), "Before");
    step("editor", "editor", id, "publish", NULL, 200);
    const char *after = as(NULL, GET, text("/tracks/id/%s", id), NULL, 200);
    cr_expect_str_eq(member(after, "title"), "After");
    cr_expect_str_eq(member(after, "slug"), "before");
    cr_expect_str_eq(member(after, "publishedAt"), member(live, "publishedAt"));
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/tag/old", NULL, 200), "items"), "[]");
    cr_expect_str_eq(member(as(NULL, GET, "/tracks/tag/new", NULL, 200), "items.0.id"), id);
}

Test(studio, a_draft_beside_a_public_track_can_be_thrown_away)
{
    const char *id = make_published(&fixture, "ann", "Stays", "");
    as("ann", DELETE, text("/studio/tracks/%s", id), NULL, 409);
    as("ann", PUT, text("/studio/tracks/%s", id), "{\"title\":\"Goes\"}", 200);
    as("ann", DELETE, text("/studio/tracks/%s", id), NULL, 200);
    const char *mine = as("ann", GET, text("/studio/tracks/%s", id), NULL, 200);
    cr_expect_str_eq(member(mine, "status"), "PUBLISHED");
    cr_expect_str_eq(member(mine, "title"), "Stays");
}

Test(studio, anothers_track_is_not_found)
{
    const char *id = make_draft(&fixture, "ann", "Mine", "");
    as("bob", GET, text("/studio/tracks/%s", id), NULL, 404);
    as("bob", PUT, text("/studio/tracks/%s", id), "{\"title\":\"Yours\"}", 404);
    as("bob", DELETE, text("/studio/tracks/%s", id), NULL, 404);
    step("bob", "studio", id, "submit", NULL, 404);
    step("bob", "studio", id, "withdraw", NULL, 404);
    upload("bob", id, audio_file("flac", ""), 404);
    cr_expect_str_eq(member(as("bob", GET, "/studio/tracks", NULL, 200), "items"), "[]");
    as("ann", DELETE, text("/studio/tracks/%s", id), NULL, 200);
    as("ann", GET, text("/studio/tracks/%s", id), NULL, 404);
}

Test(studio, unknown_and_malformed_ids_are_404)
{
    static const char *const ids[] = { "000000000000000000000000", "x", "0", "ZZZZZZZZZZZZZZZZZZZZZZZZ" };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        as("ann", GET, text("/studio/tracks/%s", ids[i]), NULL, 404);
        as(NULL, GET, text("/tracks/id/%s", ids[i]), NULL, 404);
        as(NULL, GET, text("/tracks/slug/%s", ids[i]), NULL, 404);
        as(NULL, GET, text("/tracks/%s/stream", ids[i]), NULL, 404);
        as(NULL, GET, text("/covers/%s", ids[i]), NULL, 404);
        step("editor", "editor", ids[i], "publish", NULL, 404);
    }
}

Test(studio, taken_slugs_are_numbered_and_follow_the_title_until_it_is_public)
{
    const char *first = make_draft(&fixture, "ann", "Über: Straße!", "");
    const char *second = make_draft(&fixture, "bob", "uber strasse", "");
    const char *third = make_draft(&fixture, "ann", "ÜBER STRASSE", "");
    const char *none = make_draft(&fixture, "ann", "???", "");
    cr_expect_str_eq(member(as("ann", GET, text("/studio/tracks/%s", first), NULL, 200), "slug"), "uber-strasse");
    cr_expect_str_eq(member(as("bob", GET, text("/studio/tracks/%s", second), NULL, 200), "slug"), "uber-strasse-2");
    cr_expect_str_eq(member(as("ann", GET, text("/studio/tracks/%s", third), NULL, 200), "slug"), "uber-strasse-3");
    cr_expect_str_eq(member(as("ann", GET, text("/studio/tracks/%s", none), NULL, 200), "slug"), "track");
    cr_expect_str_eq(member(as("ann", PUT, text("/studio/tracks/%s", first), "{\"title\":\"New\"}", 200), "slug"),
                     "new");
    cr_expect_str_eq(member(as("ann", PUT, text("/studio/tracks/%s", third), "{\"title\":\"New\"}", 200), "slug"),
                     "new-2");
    cr_expect_str_eq(member(as("ann", PUT, text("/studio/tracks/%s", first), "{\"title\":\"new\"}", 200), "slug"),
                     "new");
}

Test(studio, lists_by_state_with_cursors)
{
    const char *ids[5];
    for (int i = 0; i < 5; i++) {
        ids[i] = make_draft(&fixture, "ann", text("Song %d", i), "");
        usleep(2000);
    }
    const char *page = as("ann", GET, "/studio/tracks?limit=2", NULL, 200);
    cr_expect_str_eq(member(page, "items.0.id"), ids[4]);
    cr_expect_str_eq(member(page, "items.1.id"), ids[3]);
    page = as("ann", GET, text("/studio/tracks?limit=2&cursor=%s", member(page, "next")), NULL, 200);
    cr_expect_str_eq(member(page, "items.0.id"), ids[2]);
    as("bob", GET, text("/studio/tracks?limit=2&cursor=%s", member(page, "next")), NULL, 400);
    const char *public = make_published(&fixture, "ann", "Public", "");
    cr_expect_str_eq(member(as("ann", GET, "/studio/tracks?status=published", NULL, 200), "items.0.id"), public);
    cr_expect_str_eq(member(as("ann", GET, "/studio/tracks?status=submitted", NULL, 200), "items"), "[]");
    as("ann", PUT, text("/studio/tracks/%s", public), "{\"title\":\"Edited\"}", 200);
    cr_expect_str_eq(member(as("ann", GET, "/studio/tracks?status=draft", NULL, 200), "items.0.title"), "Edited");
    cr_expect_str_eq(member(as("editor", GET, "/editor/tracks?status=published", NULL, 200), "items.0.title"),
                     "Public");
    cr_expect_str_eq(member(as("editor", GET, "/editor/tracks", NULL, 200), "items"), "[]");
    step("ann", "studio", public, "submit", NULL, 200);
    cr_expect_str_eq(member(as("editor", GET, "/editor/tracks", NULL, 200), "items.0.title"), "Edited");
    cr_expect_str_eq(member(as("editor", GET, "/editor/tracks?status=published", NULL, 200), "items.0.title"),
                     "Public");
    as("ann", GET, "/studio/tracks?status=DRAFT", NULL, 400);
    as("editor", GET, "/editor/tracks?status=nonsense", NULL, 400);
    as("editor", GET, "/editor/tracks?limit=0", NULL, 400);
}

Test(studio, bad_drafts_are_refused)
{
    static const char *const bodies[] = {
        "{}",
        "{\"title\":\"\"}",
        "{\"title\":5}",
        "{\"title\":\"x\",\"tags\":[\"UPPER\"]}",
        "{\"title\":\"x\",\"tags\":[\"a b\"]}",
        "{\"title\":\"x\",\"tags\":[\"a\\n\"]}",
        "{\"title\":\"x\",\"tags\":\"a\"}",
        "{\"title\":\"x\",\"language\":\"!\"}",
        "[]",
        "",
        "x",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        as("ann", POST, "/studio/tracks", bodies[i], 400);
    as("ann", POST, "/studio/tracks", "{\"title\":\"日本語\",\"tags\":[\"日本\",\"rock-2\",\"9\"]}", 201);
    const char *id = make_published(&fixture, "ann", "x", "");
    step("editor", "editor", id, "unpublish", "{}", 400);
    step("editor", "editor", id, "unpublish", "{\"reason\":\"\"}", 400);
    step("editor", "editor", id, "unpublish", NULL, 400);
}

Test(studio, what_is_not_audio_leaves_nothing)
{
    const char *id = make_draft(&fixture, "ann", "Noise", "");
    const char *blobs = text("%s/blobs", fixture.dir);
    size_t before = folder_files(blobs);
    upload("ann", id, bytes_file("#EXTM3U\nfile:///etc/passwd\n", 27), 422);
    upload("ann", id, bytes_file("fLaC\0\0\0\0", 8), 422);
    upload("ann", id, bytes_file("", 0), 422);
    cr_expect_eq(folder_files(blobs), before);
    step("ann", "studio", id, "submit", NULL, 409);
    upload("ann", id, audio_file("flac", ""), 200);
    upload("ann", id, bytes_file("not audio", 9), 422);
    cr_expect_str_eq(member(as("ann", GET, text("/studio/tracks/%s", id), NULL, 200), "codec"), "flac");
}

Test(studio, equal_audio_may_stand_under_many_tracks)
{
    int fd = audio_file("flac", "");
    const char *blobs = text("%s/blobs", fixture.dir);
    upload("ann", make_draft(&fixture, "ann", "A", ""), dup(fd), 200);
    size_t files = folder_files(blobs);
    upload("bob", make_draft(&fixture, "bob", "B", ""), fd, 200);
    cr_expect_eq(folder_files(blobs), files);
}

Test(studio, covers_are_served_as_what_they_are)
{
    char *picture = picture_file("png", "testsrc=s=1200x600");
    int fd = audio_file_with("mp3", text("-i %s", picture),
                             "-map 0:a -map 1:v -c:v copy -disposition:v:0 attached_pic");
    const char *id = make_draft(&fixture, "ann", "Covered", "");
    upload("ann", id, fd, 200);
    const char *mine = as("ann", GET, text("/studio/tracks/%s", id), NULL, 200);
    const char *cover = member(mine, "coverId"), *blobs = text("%s/blobs", fixture.dir);
    as(NULL, GET, text("/covers/%s", cover), NULL, 200);
    size_t before = folder_files(blobs);
    /* Made once, whatever sizes are asked for. */
    for (int size = 65; size <= 128; size++)
        as(NULL, GET, text("/covers/%s?size=%d", cover, size), NULL, 200);
    cr_expect_eq(folder_files(blobs), before + 1);
    struct cover_doc *small = cover_of_size(&fixture.ctx, &fixture.tracks, cover, 100);
    cr_expect_eq(small->width, 128);
    cr_expect_eq(small->height, 64);
    as(NULL, GET, text("/covers/%s?size=4096", cover), NULL, 200);
    cr_expect_eq(folder_files(blobs), before + 1);
    as(NULL, GET, text("/covers/%s?size=0", cover), NULL, 400);
    as(NULL, GET, text("/covers/%s?size=x", cover), NULL, 400);
    as(NULL, GET, text("/covers/%s-128", cover), NULL, 404);
    unlink(picture);
    free(picture);
}

Test(studio, what_would_have_to_be_encoded_is_refused)
{
    const char *id = make_published(&fixture, "ann", "Raw", "");
    as(NULL, GET, text("/tracks/%s/stream?format=raw", id), NULL, 200);
    as(NULL, GET, text("/tracks/%s/stream?format=opus", id), NULL, 400);
    as(NULL, GET, text("/tracks/%s/stream?maxBitRate=64", id), NULL, 400);
}

/* What was written, as the relay will tell it: its type and its entity's version. */
Test(studio, each_step_tells_an_event_with_its_write)
{
    static const char *const types[] = { "event.track.created",   "event.track.submitted",   "event.track.returned",
                                         "event.track.submitted", "event.track.withdrawn",   "event.track.submitted",
                                         "event.track.published", "event.track.unpublished", "event.track.deleted" };
    const char *id = make_draft(&fixture, "ann", "Told", "");
    upload("ann", id, audio_file("flac", ""), 200);
    step("ann", "studio", id, "submit", NULL, 200);
    step("editor", "editor", id, "return", reason, 200);
    step("ann", "studio", id, "submit", NULL, 200);
    step("ann", "studio", id, "withdraw", NULL, 200);
    as("ann", PUT, text("/studio/tracks/%s", id), "{\"title\":\"Told\"}", 200);
    step("ann", "studio", id, "submit", NULL, 200);
    step("editor", "editor", id, "publish", NULL, 200);
    step("editor", "editor", id, "unpublish", reason, 200);
    as("ann", DELETE, text("/studio/tracks/%s", id), NULL, 200);
    struct outbox_event *events;
    size_t count;
    cr_assert(outbox_read(&fixture.ctx, fixture.store, 100, &events, &count));
    cr_assert_eq(count, sizeof types / sizeof *types);
    for (size_t i = 0; i < count; i++) {
        cr_expect_str_eq(events[i].type, types[i]);
        cr_expect_str_eq(member(events[i].json, "subject"), id);
        cr_expect_str_eq(member(events[i].json, "data.ownerId"), "ann");
    }
    cr_expect_str_eq(member(events[2].json, "data.reason"), "too quiet");
}

static void *publish_once(void *self)
{
    struct ctx ctx = { .request_id = "" };
    struct change change = { .action = TRACK_PUBLISH };
    bool done = track_change(&ctx, &fixture.tracks, self, &change) != NULL;
    bool conflict = ctx.error && ctx.error->code == ERROR_CONFLICT;
    ctx_finish(&ctx);
    return done ? (void *)"done" : conflict ? (void *)"conflict" : NULL;
}

Test(studio, of_many_editors_one_publishes)
{
    const char *id = make_draft(&fixture, "ann", "Race", "");
    upload("ann", id, audio_file("flac", ""), 200);
    step("ann", "studio", id, "submit", NULL, 200);
    pthread_t threads[10];
    int done = 0, conflicts = 0;
    for (size_t i = 0; i < 10; i++)
        pthread_create(&threads[i], NULL, publish_once, (void *)id);
    for (size_t i = 0; i < 10; i++) {
        void *result;
        pthread_join(threads[i], &result);
        done += text_equal(result, "done");
        conflicts += text_equal(result, "conflict");
    }
    cr_expect_eq(done, 1);
    cr_expect_eq(conflicts, 9);
}

static void *create_once(void *self)
{
    struct ctx ctx = { .request_id = "" };
    struct track track = { .owner_id = self, .draft = &(struct version){ .title = "Same" } };
    bool made = track_store_insert(&ctx, fixture.store, &track);
    if (!made)
        fprintf(stderr, "%s\n", ctx.error->message);
    ctx_finish(&ctx);
    return made ? self : NULL;
}

Test(studio, of_many_equal_titles_made_at_once_each_gets_a_slug)
{
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, create_once, (void *)"ann");
    for (size_t i = 0; i < 8; i++) {
        void *result;
        pthread_join(threads[i], &result);
        cr_expect(result != NULL);
    }
    for (int i = 2; i <= 8; i++) {
        struct track *track = track_store_by_slug(&fixture.ctx, fixture.store, text("same-%d", i));
        cr_expect(track, "same-%d", i);
    }
}
