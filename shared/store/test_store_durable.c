/* kill -9 loses no page cache, so what a loss of power would take is seen by the system calls: acknowledged is synced.
 */
#include "store/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 8, PATIENCE_MS = 1000 };

static atomic_int synced;   /* how often the write-ahead log was, since the start */
static atomic_bool held_up; /* the disk does not come to an end with it */
static atomic_int held;     /* so many wait for it */

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* The linker gives these to SQLite, too. */
static int sync_file(long call, int fd)
{
    char link[64], path[256] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    bool is_log = size > 4 && strcmp(path + size - 4, "-wal") == 0;
    if (is_log && atomic_load(&held_up)) {
        atomic_fetch_add(&held, 1);
        while (atomic_load(&held_up))
            wait_ms(1);
    }
    int result = (int)syscall(call, fd);
    if (is_log)
        atomic_fetch_add(&synced, 1);
    return result;
}

int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}

#define SYNCED(ctx, call)                                                                                              \
    do {                                                                                                               \
        int before = atomic_load(&synced);                                                                             \
        ok(ctx, call);                                                                                                 \
        cr_expect_gt(atomic_load(&synced), before, "%s is acknowledged and not on the disk", #call);                   \
    } while (0)

static void write_each_kind(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, "a", "a");
    int64_t after;
    struct write many[] = { { WRITE_INSERT, &songs, song_new(fixture, "b", "b") },
                            { WRITE_INSERT, &songs, song_new(fixture, "c", "c") } };
    struct event event = { .type = "event.track.made" };
    struct outbox_event *events;
    size_t count;
    SYNCED(ctx, store_insert(ctx, fixture->store, &songs, song, EVENTS(event)));
    SYNCED(ctx, store_update(ctx, fixture->store, &songs, song, (struct update){ .set = FIELDS("title") }));
    SYNCED(ctx, store_adjust(ctx, fixture->store, &songs, "a", "plays", 1, &after));
    SYNCED(ctx, store_write_many(ctx, fixture->store, many, 2));
    SYNCED(ctx, store_remove(ctx, fixture->store, &songs, "b", 0, NO_EVENTS));
    ok(ctx, outbox_read(ctx, fixture->store, 10, &events, &count));
    cr_assert_eq(count, 1);
    SYNCED(ctx, outbox_done(ctx, fixture->store, events, count));
}

Test(durable, what_is_acknowledged_is_on_the_disk, .timeout = 60)
{
    with_embedded(write_each_kind);
}

struct late {
    struct fixture *fixture;
    int number;
    atomic_bool done;
};

static void *write_late(void *self)
{
    struct late *late = self;
    struct ctx ctx = { 0 };
    struct song song = { .doc.id = arena_printf(&ctx.arena, "late%d", late->number) };
    ok(&ctx, store_insert(&ctx, late->fixture->store, &songs, &song, NO_EVENTS));
    atomic_store(&late->done, true);
    ctx_finish(&ctx);
    return NULL;
}

/* One commits and the others gather behind it, then they are a group: none is told before the disk has it. */
static void write_while_the_disk_waits(struct fixture *fixture)
{
    pthread_t threads[THREADS];
    struct late late[THREADS];
    atomic_store(&held_up, true);
    for (int i = 0; i < THREADS; i++) {
        late[i] = (struct late){ .fixture = fixture, .number = i };
        cr_assert(pthread_create(&threads[i], NULL, write_late, &late[i]) == 0);
    }
    for (int waited = 0; !atomic_load(&held) && waited < 20 * PATIENCE_MS; waited++)
        wait_ms(1);
    cr_expect_gt(atomic_load(&held), 0, "the log is not synced");
    wait_ms(PATIENCE_MS);
    for (int i = 0; i < THREADS; i++)
        cr_expect_not(atomic_load(&late[i].done), "acknowledged, and the disk still works at it");
    atomic_store(&held_up, false);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_expect(atomic_load(&late[i].done));
    }
}

Test(durable, nobody_is_told_before_the_disk_has_it, .timeout = 60)
{
    with_embedded(write_while_the_disk_waits);
}
