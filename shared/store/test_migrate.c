#include "store/store_fixture.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Counts its runs in the store itself. */
static bool count_step(struct ctx *ctx, struct store *store)
{
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    return store_adjust(ctx, store, &songs, "steps", "plays", 1, NULL);
}

static bool failing_step(struct ctx *ctx, struct store *store)
{
    struct song song;
    return store_get(ctx, store, &songs, "wanted", &song);
}

static const struct migration_step steps[] = { { "count", count_step }, { "fail", failing_step }, { 0 } };

static const char second[] = "{\"documents\":[{\"collection\":\"songs\",\"id\":\"first\",\"fields\":"
                             "{\"title\":\"First\",\"slug\":\"first\",\"status\":\"LIVE\"}}],\"steps\":[\"count\"]}";

STORE_TEST(applies_what_is_missing_once)
{
    struct ctx *ctx = &fixture->ctx;
    const char *dir = fixture_migrations(fixture);
    size_t applied;
    ok(ctx, migrate_check(ctx, fixture->store, dir));
    ok(ctx, migrate(ctx, fixture->store, dir, steps, &applied));
    cr_expect_eq(applied, 0);
    fixture_migration(fixture, "0002_first", second);
    fails(ctx, ERROR_UNAVAILABLE, migrate_check(ctx, fixture->store, dir));
    ok(ctx, migrate(ctx, fixture->store, dir, steps, &applied));
    cr_expect_eq(applied, 1);
    ok(ctx, migrate_check(ctx, fixture->store, dir));
    struct song song;
    ok(ctx, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("first"), 1, &song));
    cr_expect_str_eq(song.title, "First");
    cr_expect_eq(song.status, LIVE);
    ok(ctx, migrate(ctx, fixture->store, dir, steps, &applied));
    cr_expect_eq(applied, 0);
    ok(ctx, store_get(ctx, fixture->store, &songs, "steps", &song));
    cr_expect_eq(song.plays, 1);
}

STORE_TEST(replicas_started_at_once_apply_each_once)
{
    struct ctx *ctx = &fixture->ctx;
    const char *dir = fixture_migrations(fixture);
    fixture_migration(fixture, "0002_first", second);
    fixture_migration(fixture, "0003_more", "{\"steps\":[\"count\",\"count\"]}");
    int pids[4], done = 0;
    store_close(fixture->store); /* no thread is about when it forks */
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct ctx own = { .request_id = "" };
            size_t applied = 0;
            struct store *store = fixture_open(&own, fixture);
            bool good = store && migrate(&own, store, dir, steps, &applied);
            if (!good)
                fprintf(stderr, "%s\n", own.error ? own.error->message : "?");
            _exit(good ? (int)applied : 99);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status;
        waitpid(pids[i], &status, 0);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) != 99);
        done += WEXITSTATUS(status);
    }
    cr_expect_eq(done, 2);
    ok(ctx, fixture->store = fixture_open(ctx, fixture));
    struct song song;
    ok(ctx, store_get(ctx, fixture->store, &songs, "steps", &song));
    cr_expect_eq(song.plays, 3);
}

STORE_TEST(refuses_what_it_does_not_understand_before_it_begins)
{
    struct ctx *ctx = &fixture->ctx;
    const char *dir = fixture_migrations(fixture);
    static const struct {
        const char *name, *json;
    } broken[] = {
        { "0002_step", "{\"steps\":[\"unheard of\"]}" },
        { "0002_text", "{\"steps\":" },
        { "0002_list", "[]" },
        { "0002_member", "{\"colections\":[]}" },
        { "0002_kind", "{\"documents\":{}}" },
        { "2_name", "{}" },
        { "0002_Name", "{}" },
    };
    fixture_migration(fixture, "0001_x", second); /* before the broken ones */
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        fixture_migration(fixture, broken[i].name, broken[i].json);
        cr_expect_not(migrate(ctx, fixture->store, dir, steps, NULL));
        cr_expect(ctx->error && strstr(ctx->error->message, broken[i].name), "%s: %s", broken[i].name,
                  ctx->error ? ctx->error->message : "no error");
        ctx->error = NULL;
        remove(arena_printf(&ctx->arena, "%s/%s.json", dir, broken[i].name));
    }
    struct song song;
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "first", &song));
    fixture_migration(fixture, "0001_songs", "{}");
    fails(ctx, ERROR_INVALID, migrate(ctx, fixture->store, dir, steps, NULL));
}

STORE_TEST(goes_on_where_it_failed)
{
    struct ctx *ctx = &fixture->ctx;
    const char *dir = fixture_migrations(fixture);
    size_t applied;
    fixture_migration(fixture, "0002_first", second);
    fixture_migration(fixture, "0003_fail", "{\"steps\":[\"fail\"]}");
    fails(ctx, ERROR_NOT_FOUND, migrate(ctx, fixture->store, dir, steps, &applied));
    cr_expect_eq(applied, 1);
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "wanted", "wanted"), NO_EVENTS));
    ok(ctx, migrate(ctx, fixture->store, dir, steps, &applied));
    cr_expect_eq(applied, 1);
}

static const struct index later_indexes[] = { { "by_slug", { "slug" }, true },
                                              { "by_plays", { "plays", "at" }, false },
                                              { 0 } };
static const struct collection later = { "songs", song_fields, sizeof(struct song), later_indexes };

STORE_TEST(a_new_index_holds_what_was_there_before)
{
    struct ctx *ctx = &fixture->ctx;
    static const struct collection *const collections[] = { &later, NULL };
    static struct write writes[700]; /* more than one batch; fewer on FerretDB, which looks through all for each */
    int count = fixture->ferretdb ? 100 : 700;
    for (int i = 0; i < count; i++) {
        struct song *song = song_new(fixture, arena_printf(&ctx->arena, "s%03d", i), NULL);
        song->plays = i % 10 + 1;
        writes[i] = (struct write){ .kind = WRITE_INSERT, .of = &songs, .record = song };
    }
    ok(ctx, store_write_many(ctx, fixture->store, writes, (size_t)count));
    struct store_options options = { .url = fixture->url, .service = "test", .ferretdb = fixture->ferretdb };
    struct store *store;
    ok(ctx, store = store_open(ctx, &options, collections));
    struct scan scan = { .index = "by_plays", .equal = { KEY_INT(3) }, .equals = 1, .limit = 1000 };
    struct page page;
    fails(ctx, ERROR_UNAVAILABLE, store_scan(ctx, store, &later, &scan, &page));
    fails(ctx, ERROR_UNAVAILABLE, migrate_check(ctx, store, fixture_migrations(fixture)));

    fixture_migration(fixture, "0002_plays",
                      "{\"collections\":[{\"name\":\"songs\",\"indexes\":["
                      "{\"name\":\"by_plays\",\"on\":[\"plays\",\"at\"]}]}]}");
    ok(ctx, migrate(ctx, store, fixture_migrations(fixture), NULL, NULL));
    ok(ctx, migrate_check(ctx, store, fixture_migrations(fixture)));
    ok(ctx, store_scan(ctx, store, &later, &scan, &page));
    cr_expect_eq(page.count, (size_t)count / 10);
    /* The older process keeps it, too. */
    struct song *song = song_new(fixture, "x", NULL);
    song->plays = 3;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "s002", 0, NO_EVENTS));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "s012", 0, NO_EVENTS));
    ok(ctx, store_scan(ctx, store, &later, &scan, &page));
    cr_expect_eq(page.count, (size_t)count / 10 - 1);
    store_close(store);
}

STORE_TEST(a_unique_index_over_doubles_is_refused)
{
    struct ctx *ctx = &fixture->ctx;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", NULL), NO_EVENTS));
    struct song *other = song_new(fixture, "b", NULL);
    ok(ctx, store_insert(ctx, fixture->store, &songs, other, NO_EVENTS));
    fixture_migration(fixture, "0002_at",
                      "{\"collections\":[{\"name\":\"songs\",\"indexes\":["
                      "{\"name\":\"by_at\",\"on\":[\"at\"],\"unique\":true}]}]}");
    fails(ctx, ERROR_CONFLICT, migrate(ctx, fixture->store, fixture_migrations(fixture), NULL, NULL));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "b", 0, NO_EVENTS));
    ok(ctx, migrate(ctx, fixture->store, fixture_migrations(fixture), NULL, NULL));
    fails(ctx, ERROR_CONFLICT, store_insert(ctx, fixture->store, &songs, other, NO_EVENTS));
    fixture_migration(fixture, "0003_at",
                      "{\"collections\":[{\"name\":\"songs\",\"indexes\":["
                      "{\"name\":\"by_at\",\"on\":[\"at\",\"year\"]}]}]}");
    fails(ctx, ERROR_CONFLICT, migrate(ctx, fixture->store, fixture_migrations(fixture), NULL, NULL));
}
