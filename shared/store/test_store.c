/* The verbs, on both back ends. */
#include "store/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

STORE_TEST(inserts_and_gets)
{
    struct ctx *ctx = &fixture->ctx;
    const char *tags[] = { "jazz", "live" };
    struct song song = { .doc.id = "one",
                         .title = "Blue in Green",
                         .tags = { tags, 2 },
                         .year = 1959,
                         .at = 1234567,
                         .status = LIVE,
                         .plays = 7 };
    ok(ctx, store_insert(ctx, fixture->store, &songs, &song, NO_EVENTS));
    cr_expect_eq(song.doc.version, 1);

    struct song back;
    ok(ctx, store_get(ctx, fixture->store, &songs, "one", &back));
    cr_expect_str_eq(back.doc.id, "one");
    cr_expect_eq(back.doc.version, 1);
    cr_expect_str_eq(back.title, "Blue in Green");
    cr_expect_null(back.slug);
    cr_expect_eq(back.tags.count, 2);
    cr_expect_str_eq(((const char **)back.tags.items)[1], "live");
    cr_expect_eq(back.year, 1959);
    cr_expect_eq(back.at, 1234567);
    cr_expect_eq(back.status, LIVE);
    cr_expect_eq(back.plays, 7);

    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "two", &back));
    cr_expect_null(back.doc.id);
}

STORE_TEST(refuses_taken_ids_and_unique_keys)
{
    struct ctx *ctx = &fixture->ctx;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "blue"), NO_EVENTS));
    fails(ctx, ERROR_CONFLICT, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "green"), NO_EVENTS));
    fails(ctx, ERROR_CONFLICT, store_insert(ctx, fixture->store, &songs, song_new(fixture, "b", "blue"), NO_EVENTS));

    struct song *song = song_new(fixture, "b", "green");
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    song->slug = "blue";
    fails(ctx, ERROR_CONFLICT,
          store_update(ctx, fixture->store, &songs, song, (struct update){ .set = FIELDS("slug") }));
    struct song back;
    ok(ctx, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("blue"), 1, &back));
    cr_expect_str_eq(back.doc.id, "a");
    ok(ctx, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("green"), 1, &back));
    cr_expect_str_eq(back.doc.id, "b");
    cr_expect_eq(back.doc.version, 1);
}

STORE_TEST(a_unique_key_is_free_again_when_it_was_left)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, "a", "blue");
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    song->slug = "green";
    ok(ctx, store_update(ctx, fixture->store, &songs, song, (struct update){ .set = FIELDS("slug") }));
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "b", "blue"), NO_EVENTS));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "b", 1, NO_EVENTS));
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "c", "blue"), NO_EVENTS));
    ok(ctx, store_update(ctx, fixture->store, &songs, song, (struct update){ .unset = FIELDS("slug") }));
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "d", "green"), NO_EVENTS));
}

STORE_TEST(updates_only_what_is_named_and_only_its_version)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, "a", "blue"), stale = { 0 }, back;
    song->owner = "ann";
    song->plays = 5;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    stale = *song;

    song->title = "New";
    song->plays = 6; /* not named: stays */
    song->year = 0;  /* named and absent: unset */
    ok(ctx, store_update(ctx, fixture->store, &songs, song,
                         (struct update){ .set = FIELDS("title", "year"), .unset = FIELDS("owner") }));
    cr_expect_eq(song->doc.version, 2);
    ok(ctx, store_get(ctx, fixture->store, &songs, "a", &back));
    cr_expect_eq(back.doc.version, 2);
    cr_expect_str_eq(back.title, "New");
    cr_expect_eq(back.plays, 5);
    cr_expect_eq(back.year, 0);
    cr_expect_null(back.owner);
    cr_expect_str_eq(back.slug, "blue");

    fails(ctx, ERROR_CONFLICT,
          store_update(ctx, fixture->store, &songs, &stale, (struct update){ .set = FIELDS("title") }));
    cr_expect_eq(stale.doc.version, 1);
    stale.doc.id = "gone";
    fails(ctx, ERROR_NOT_FOUND,
          store_update(ctx, fixture->store, &songs, &stale, (struct update){ .set = FIELDS("title") }));
}

STORE_TEST(keeps_fields_that_it_does_not_know)
{
    static const struct field old_fields[] = { FIELD("title", TEXT, struct song, title), { 0 } };
    static const struct collection old_songs = { "songs", old_fields, sizeof(struct song), NULL };
    static const struct collection *const collections[] = { &old_songs, NULL };
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, "a", "blue");
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));

    /* Version N beside N+1: it knows neither the fields nor the indexes, and yet keeps both. */
    struct store_options options = { .url = fixture->url, .service = "test", .ferretdb = fixture->ferretdb };
    struct store *old;
    ok(ctx, old = store_open(ctx, &options, collections));
    song->title = "by the old one";
    ok(ctx, store_update(ctx, old, &old_songs, song, (struct update){ .set = FIELDS("title") }));
    store_close(old);

    struct song back;
    ok(ctx, store_find(ctx, fixture->store, &songs, "by_year",
                       (struct key[]){ KEY_INT(1970), KEY_TEXT("by the old one") }, 2, &back));
    cr_expect_str_eq(back.slug, "blue");
    fails(ctx, ERROR_NOT_FOUND,
          store_find(ctx, fixture->store, &songs, "by_year", (struct key[]){ KEY_INT(1970), KEY_TEXT("a") }, 2, &back));
}

STORE_TEST(gets_many_in_the_order_asked)
{
    struct ctx *ctx = &fixture->ctx;
    for (int i = 0; i < 5; i++)
        ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, arena_printf(&ctx->arena, "s%d", i), NULL),
                             NO_EVENTS));
    struct song out[4];
    ok(ctx, store_get_many(ctx, fixture->store, &songs, (const char *const[]){ "s3", "none", "s1", "s3" }, 4, out));
    cr_expect_str_eq(out[0].doc.id, "s3");
    cr_expect_null(out[1].doc.id);
    cr_expect_str_eq(out[2].doc.id, "s1");
    cr_expect_str_eq(out[3].doc.id, "s3");
}

STORE_TEST(adjusts_and_creates)
{
    struct ctx *ctx = &fixture->ctx;
    int64_t after;
    ok(ctx, store_adjust(ctx, fixture->store, &songs, "a", "plays", 3, &after));
    cr_expect_eq(after, 3);
    ok(ctx, store_adjust(ctx, fixture->store, &songs, "a", "plays", -1, &after));
    cr_expect_eq(after, 2);
    struct song back;
    ok(ctx, store_get(ctx, fixture->store, &songs, "a", &back));
    cr_expect_eq(back.plays, 2);
    cr_expect_eq(back.doc.version, 2);
    fails(ctx, ERROR_INTERNAL, store_adjust(ctx, fixture->store, &songs, "a", "year", 1, NULL));
    fails(ctx, ERROR_INTERNAL, store_adjust(ctx, fixture->store, &songs, "a", "title", 1, NULL));
}

STORE_TEST(removes_by_version)
{
    struct ctx *ctx = &fixture->ctx;
    struct song back;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "blue"), NO_EVENTS));
    fails(ctx, ERROR_CONFLICT, store_remove(ctx, fixture->store, &songs, "a", 2, NO_EVENTS));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "a", 1, NO_EVENTS));
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "a", &back));
    fails(ctx, ERROR_NOT_FOUND, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("blue"), 1, &back));
    fails(ctx, ERROR_NOT_FOUND, store_remove(ctx, fixture->store, &songs, "a", 0, NO_EVENTS));
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "blue"), NO_EVENTS));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "a", 0, NO_EVENTS));
}

STORE_TEST(writes_many_each_with_its_own_outcome)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *there = song_new(fixture, "there", "there"), *stale = song_new(fixture, "stale", "stale");
    struct song *old = song_new(fixture, "old", NULL);
    ok(ctx, store_insert(ctx, fixture->store, &songs, there, NO_EVENTS));
    ok(ctx, store_insert(ctx, fixture->store, &songs, stale, NO_EVENTS));
    ok(ctx, store_insert(ctx, fixture->store, &songs, old, NO_EVENTS));
    stale->doc.version = 9;
    there->title = "changed";
    struct write writes[] = {
        { .kind = WRITE_INSERT, .of = &songs, .record = song_new(fixture, "new", "new") },
        { .kind = WRITE_INSERT, .of = &songs, .record = song_new(fixture, "there", NULL) },
        { .kind = WRITE_INSERT, .of = &songs, .record = song_new(fixture, "other", "stale") },
        { .kind = WRITE_UPDATE, .of = &songs, .record = there, .update = { .set = FIELDS("title") } },
        { .kind = WRITE_UPDATE, .of = &songs, .record = stale, .update = { .set = FIELDS("title") } },
        { .kind = WRITE_ADJUST, .of = &songs, .id = "count", .field = "plays", .by = 4 },
        { .kind = WRITE_REMOVE, .of = &songs, .id = "old" },
        { .kind = WRITE_REMOVE, .of = &songs, .id = "none" },
    };
    static const int codes[] = { -1, ERROR_CONFLICT, ERROR_CONFLICT, -1, ERROR_CONFLICT, -1, -1, ERROR_NOT_FOUND };
    ok(ctx, store_write_many(ctx, fixture->store, writes, 8));
    for (size_t i = 0; i < 8; i++)
        cr_expect_eq(writes[i].error ? (int)writes[i].error->code : -1, codes[i], "write %zu: %s", i,
                     writes[i].error ? writes[i].error->message : "done");
    cr_expect_eq(there->doc.version, 2);
    struct song back[4];
    ok(ctx,
       store_get_many(ctx, fixture->store, &songs, (const char *const[]){ "new", "there", "count", "old" }, 4, back));
    cr_expect_str_eq(back[0].slug, "new");
    cr_expect_str_eq(back[1].title, "changed");
    cr_expect_eq(back[2].plays, 4);
    cr_expect_null(back[3].doc.id);
}

STORE_TEST(refuses_what_it_cannot_hold)
{
    struct ctx *ctx = &fixture->ctx;
    char *huge = arena_alloc(&ctx->arena, (9 << 20) + 1);
    memset(huge, 'x', 9 << 20);
    struct song *song = song_new(fixture, "a", "blue"), back;
    song->owner = huge;
    fails(ctx, ERROR_TOO_LARGE, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    huge[5000] = 0;
    fails(ctx, ERROR_INVALID, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    song->owner = NULL;
    song->doc.id = huge;
    fails(ctx, ERROR_INVALID, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    song->doc.id = "";
    fails(ctx, ERROR_INVALID, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    song->doc.id = "\xff\xfe";
    fails(ctx, ERROR_INVALID, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "\xff", &back));
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "", &back));
    fails(ctx, ERROR_NOT_FOUND, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT(huge), 1, &back));
    fails(ctx, ERROR_NOT_FOUND, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("\xc0\x80"), 1, &back));
    song->doc.id = "a";
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
}

STORE_TEST(fails_at_the_deadline)
{
    struct ctx *ctx = &fixture->ctx;
    struct song back;
    ok(ctx, store_ping(ctx, fixture->store));
    ctx->deadline_ms = 1; /* long ago */
    fails(ctx, ERROR_UNAVAILABLE, store_get(ctx, fixture->store, &songs, "a", &back));
    fails(ctx, ERROR_UNAVAILABLE, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", NULL), NO_EVENTS));
    ctx->deadline_ms = 0;
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "a", &back));
}
