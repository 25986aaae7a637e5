/* What store_stamp() promises: equal only while nobody has committed, whoever it would have been. */
#include "store/store_fixture.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static bool same(const struct store *store, const struct store_stamp *before)
{
    struct store_stamp now;
    return store_stamp(store, &now) && memcmp(&now, before, sizeof now) == 0;
}

/* Takes it anew; a stamp that cannot be had while nobody writes is worth nothing. */
static void take(const struct store *store, struct store_stamp *out)
{
    cr_assert(store_stamp(store, out));
}

static void changes_with_every_commit(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    struct store *second;
    struct store_stamp stamp;
    struct song song;
    ok(ctx, second = fixture_open(ctx, fixture));
    take(fixture->store, &stamp);
    for (int i = 0; i < 300; i++) {
        struct store *writer = i % 2 ? second : fixture->store;
        char *id = arena_printf(&ctx->arena, "s%d", i);
        ok(ctx, store_insert(ctx, writer, &songs, song_new(fixture, id, id), NO_EVENTS));
        cr_assert_not(same(fixture->store, &stamp), "the write %d went unseen", i);
        take(fixture->store, &stamp);
        ok(ctx, store_get(ctx, fixture->store, &songs, id, &song));
        cr_assert(same(fixture->store, &stamp), "a read is no write");
        cr_assert(same(second, &stamp), "all see the same");
    }
    ok(ctx, store_remove(ctx, second, &songs, "s7", 0, NO_EVENTS));
    cr_expect_not(same(fixture->store, &stamp));
    take(fixture->store, &stamp);
    fails(ctx, ERROR_NOT_FOUND, store_remove(ctx, second, &songs, "s7", 0, NO_EVENTS));
    store_close(second);
    cr_expect(store_stamp(fixture->store, &stamp), "another one left");
}

/* Somebody who knows nothing of this library: an operator's sqlite3, an older version. */
static void changes_with_a_write_by_hand(struct fixture *fixture)
{
    struct store_stamp stamp;
    sqlite3 *db = NULL;
    take(fixture->store, &stamp);
    cr_assert(sqlite3_open(arena_printf(&fixture->ctx.arena, "%s/data/test.db", fixture->dir), &db) == SQLITE_OK);
    cr_assert(sqlite3_exec(db, "SELECT count(*) FROM outbox", NULL, NULL, NULL) == SQLITE_OK);
    cr_expect(same(fixture->store, &stamp));
    cr_assert(sqlite3_exec(db, "INSERT INTO collections (name) VALUES ('x')", NULL, NULL, NULL) == SQLITE_OK);
    cr_expect_not(same(fixture->store, &stamp));
    take(fixture->store, &stamp);
    cr_assert(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) == SQLITE_OK);
    cr_assert(sqlite3_exec(db, "DELETE FROM collections WHERE name = 'x'", NULL, NULL, NULL) == SQLITE_OK);
    cr_expect_not(same(fixture->store, &stamp), "the log began anew");
    sqlite3_close(db);
}

/* A process that counts in the store and says, after each commit, how far it is. */
static int start_counting(struct fixture *fixture, atomic_long *said)
{
    int pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct ctx ctx = { .request_id = "" };
    struct store *store = fixture_open(&ctx, fixture);
    int64_t after = 0;
    while (store && store_adjust(&ctx, store, &songs, "n", "plays", 1, &after)) {
        atomic_store(said, (long)after);
        ctx_finish(&ctx);
    }
    _exit(1);
}

/* What was read under a stamp is, while the stamp is the same, not older than what was acknowledged before it was taken
 * again. */
static void is_never_older_than_what_was_acknowledged(struct fixture *fixture)
{
    struct ctx ctx = { .request_id = "" };
    atomic_long *said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(said != MAP_FAILED);
    int pid = start_counting(fixture, said);
    struct store_stamp stamp;
    long held = -1, good = 0, fills = 0;
    for (int64_t end = clock_ms() + 60000; clock_ms() < end && (fills < 300 || good < 3000);) {
        long acknowledged = atomic_load(said);
        if (held >= 0 && same(fixture->store, &stamp)) {
            cr_assert_geq(held, acknowledged, "after %ld fills", fills);
            good++;
            continue;
        }
        struct song song;
        bool stamped = store_stamp(fixture->store, &stamp);
        held = -1;
        if (stamped && store_get(&ctx, fixture->store, &songs, "n", &song)) {
            held = song.plays;
            fills++;
        }
        ctx_finish(&ctx);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_expect_geq(fills, 300);
    cr_expect_geq(good, 3000, "a stamp that never holds is of no use");
    munmap(said, sizeof *said);
}

Test(stamp, changes_with_every_commit, .timeout = 120)
{
    with_embedded(changes_with_every_commit);
}

Test(stamp, changes_with_a_write_by_hand, .timeout = 120)
{
    with_embedded(changes_with_a_write_by_hand);
}

Test(stamp, is_never_older_than_what_was_acknowledged, .timeout = 120)
{
    with_embedded(is_never_older_than_what_was_acknowledged);
}

static void cannot_be_had(struct fixture *fixture)
{
    struct store_stamp stamp;
    cr_expect_not(store_stamp(fixture->store, &stamp));
}

Test(stamp, is_not_of_mongodb, .timeout = 120)
{
    with_ferretdb(cannot_be_had);
}
