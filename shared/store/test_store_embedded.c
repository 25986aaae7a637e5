/* What only the embedded back end has: a disk that fills, files that others lock, files that are something else. */
#include "store/store_fixture.h"

#include "base/calm_clock.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define EMBEDDED_TEST(name)                                                                                            \
    static void name(struct fixture *fixture);                                                                         \
    Test(embedded, name, .timeout = 60)                                                                                \
    {                                                                                                                  \
        with_embedded(name);                                                                                           \
    }                                                                                                                  \
    static void name(struct fixture *fixture)

EMBEDDED_TEST(a_full_disk_is_said_and_loses_nothing)
{
    struct ctx *ctx = &fixture->ctx;
    struct song back;
    char *large = arena_alloc(&ctx->arena, 100001);
    memset(large, 'x', 100000);
    struct rlimit before, small = { 2 << 20, 0 };
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small); /* the file cannot grow: what a full disk or a quota does */
    int count = 0;
    for (;; count++) {
        cr_assert_lt(count, 100);
        struct song *song = song_new(fixture, arena_printf(&ctx->arena, "s%d", count), NULL);
        song->title = NULL;
        song->owner = NULL;
        song->tags = (struct list){ 0 };
        song->slug = arena_printf(&ctx->arena, "slug%d", count);
        struct event event = { .type = "event.track.made", .fields = song_fields, .data = song };
        struct song data = { .title = large };
        event.data = &data;
        if (!store_insert(ctx, fixture->store, &songs, song, EVENTS(event)))
            break;
    }
    cr_assert(ctx->error && ctx->error->code == ERROR_DISK_FULL, "%s", error_chain(ctx));
    ctx->error = NULL;
    cr_expect_gt(count, 5);
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, arena_printf(&ctx->arena, "s%d", count), &back));
    for (int i = 0; i < count; i++)
        ok(ctx, store_get(ctx, fixture->store, &songs, arena_printf(&ctx->arena, "s%d", i), &back));
    setrlimit(RLIMIT_FSIZE, &before);
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "after", "after"), NO_EVENTS));
}

/* A process that holds the locks of the file and does nothing, as one that is stopped in a debugger. */
static int hold_locks(struct fixture *fixture)
{
    int ready[2];
    char c;
    cr_assert(pipe(ready) == 0);
    int pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(arena_printf(&fixture->ctx.arena, "%s/data/test.db.writer", fixture->dir), O_RDWR);
        flock(fd, LOCK_EX);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    cr_assert(read(ready[0], &c, 1) == 1);
    return pid;
}

EMBEDDED_TEST(a_process_that_hangs_with_the_lock_costs_writers_their_deadline)
{
    struct ctx *ctx = &fixture->ctx;
    struct song back;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "a"), NO_EVENTS));
    int pid = hold_locks(fixture);
    int64_t began = calm_ms();
    ctx->deadline_ms = clock_ms() + 300;
    fails(ctx, ERROR_UNAVAILABLE, store_insert(ctx, fixture->store, &songs, song_new(fixture, "b", "b"), NO_EVENTS));
    cr_expect_lt(calm_ms() - began, 400);
    began = calm_ms();
    int64_t deadline_ms = ctx->deadline_ms = clock_ms() + 20000;
    ctx->patience_ms = 300;
    fails(ctx, ERROR_UNAVAILABLE, store_insert(ctx, fixture->store, &songs, song_new(fixture, "b", "b"), NO_EVENTS));
    cr_expect_lt(calm_ms() - began, 2000);
    cr_expect_eq(ctx->deadline_ms, deadline_ms);
    ctx->patience_ms = 0;
    ctx->deadline_ms = clock_ms() + 20000;
    ok(ctx, store_get(ctx, fixture->store, &songs, "a", &back)); /* readers go on */
    ctx->deadline_ms = clock_ms() + 300;
    fails(ctx, ERROR_UNAVAILABLE, fixture_open(ctx, fixture));
    ctx->deadline_ms = 0;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "c", "c"), NO_EVENTS));
    /* What was given up was not written later. */
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "b", &back));
}

EMBEDDED_TEST(refuses_files_that_are_something_else)
{
    struct ctx *ctx = &fixture->ctx;
    snprintf(fixture->url, sizeof fixture->url, "embedded:%s/other/deep", fixture->dir);
    const char *file = arena_printf(&ctx->arena, "%s/other/deep/test.db", fixture->dir);
    struct store *store;
    ok(ctx, store = fixture_open(ctx, fixture)); /* makes the folders */
    store_close(store);
    struct stat about;
    cr_assert(stat(arena_printf(&ctx->arena, "%s/other/deep", fixture->dir), &about) == 0);
    cr_expect_eq(about.st_mode & 0777, 0700);

    FILE *text = fopen(file, "w");
    fputs("this is no database, and it is long enough to be looked at as one by anybody who tries to open it .....",
          text);
    fclose(text);
    cr_expect_not(fixture_open(ctx, fixture));
    cr_expect(ctx->error);
    ctx->error = NULL;
    remove(file);
    cr_assert(system(arena_printf(&ctx->arena, "sqlite3 %s 'create table mine (x)'", file)) == 0);
    fails(ctx, ERROR_INTERNAL, fixture_open(ctx, fixture));
    snprintf(fixture->url, sizeof fixture->url, "embedded:");
    fails(ctx, ERROR_INVALID, fixture_open(ctx, fixture));
    snprintf(fixture->url, sizeof fixture->url, "embedded:%s/migrations/0001_songs.json", fixture->dir);
    fails(ctx, ERROR_INVALID, fixture_open(ctx, fixture));
    snprintf(fixture->url, sizeof fixture->url, "postgres://x");
    fails(ctx, ERROR_INVALID, fixture_open(ctx, fixture));
}

EMBEDDED_TEST(refuses_collections_that_cannot_be)
{
    static const struct index too_many_lists[] = { { "by_tag", { "tags" }, true }, { 0 } };
    static const struct index unknown[] = { { "by_moon", { "moon" }, false }, { 0 } };
    static const struct collection broken[] = {
        { "songs", song_fields, sizeof(struct song), too_many_lists },
        { "songs", song_fields, sizeof(struct song), unknown },
        { "no name", song_fields, sizeof(struct song), NULL },
        { "store_log", song_fields, sizeof(struct song), NULL },
    };
    struct ctx *ctx = &fixture->ctx;
    struct store_options options = { .url = fixture->url, .service = "test" };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const struct collection *collections[] = { &broken[i], NULL };
        fails(ctx, ERROR_INTERNAL, store_open(ctx, &options, collections));
    }
    const struct collection *twice[] = { &songs, &broken[0], NULL };
    fails(ctx, ERROR_INTERNAL, store_open(ctx, &options, twice));
    options.service = "../test";
    fails(ctx, ERROR_INVALID, store_open(ctx, &options, NULL));
}

EMBEDDED_TEST(a_second_service_has_its_own_file)
{
    static const struct collection *const collections[] = { &songs, NULL };
    struct ctx *ctx = &fixture->ctx;
    struct store_options options = { .url = fixture->url, .service = "other" };
    struct store *other;
    struct song back;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "a"), NO_EVENTS));
    ok(ctx, other = store_open(ctx, &options, collections));
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, other, &songs, "a", &back));
    store_close(other);
}
