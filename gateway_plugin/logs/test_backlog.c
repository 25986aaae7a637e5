/* Records from loops to a thread: all of them, in order, whole; and lost where there is no room. */
#include "logs/backlog.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

TestSuite(backlog, .timeout = 30);

enum { LANES = 3, RECORDS = 20000 };

struct seen {
    uint32_t next[LANES];
    size_t count;
    bool wrong;
};

/* A record: its lane, its number, and bytes that follow from them. */
static void take(void *self, void *record, size_t size)
{
    struct seen *seen = self;
    uint32_t head[2];
    memcpy(head, record, sizeof head);
    seen->wrong |= head[0] >= LANES || head[1] < seen->next[head[0]];
    for (size_t i = sizeof head; i < size; i++)
        seen->wrong |= ((unsigned char *)record)[i] != (unsigned char)(head[1] + i);
    seen->next[head[0]] = head[1] + 1;
    seen->count++;
}

static bool put(struct backlog *backlog, uint32_t lane, uint32_t number, size_t size)
{
    unsigned char *room = backlog_reserve(backlog, lane, size + 100);
    if (!room)
        return false;
    uint32_t head[2] = { lane, number };
    memcpy(room, head, sizeof head);
    for (size_t i = sizeof head; i < size; i++)
        room[i] = (unsigned char)(number + i);
    backlog_commit(backlog, lane, size);
    return true;
}

Test(backlog, keeps_order_at_every_size)
{
    struct backlog *backlog = backlog_create(1, 4096);
    struct seen seen = { 0 };
    for (uint32_t i = 0; i < 5000; i++) {
        cr_assert(put(backlog, 0, i, 8 + i % 900));
        if (i % 3 == 2)
            backlog_drain(backlog, take, &seen);
    }
    backlog_drain(backlog, take, &seen);
    cr_expect(!seen.wrong);
    cr_expect_eq(seen.count, 5000);
    backlog_destroy(backlog);
}

Test(backlog, refuses_what_it_has_no_room_for)
{
    struct backlog *backlog = backlog_create(2, 4096);
    struct seen seen = { 0 };
    uint32_t taken = 0;
    while (put(backlog, 0, taken, 64))
        taken++;
    cr_expect(taken > 20 && taken < 57, "%u", taken);
    cr_expect(put(backlog, 1, 0, 64), "the other lane has its own room");
    cr_expect_null(backlog_reserve(backlog, 1, 5000));
    backlog_drain(backlog, take, &seen);
    cr_expect(!seen.wrong);
    cr_expect_eq(seen.count, taken + 1);
    cr_expect(put(backlog, 0, taken, 64));
    backlog_destroy(backlog);
}

struct writer {
    struct backlog *backlog;
    uint32_t lane;
    size_t lost;
    pthread_t thread;
};

static void *write_all(void *self)
{
    struct writer *writer = self;
    for (uint32_t i = 0; i < RECORDS; i++)
        writer->lost += !put(writer->backlog, writer->lane, i, 8 + (i * 7 + writer->lane) % 300);
    return NULL;
}

Test(backlog, takes_from_several_threads)
{
    struct backlog *backlog = backlog_create(LANES, 1 << 16);
    struct writer writers[LANES];
    struct seen seen = { 0 };
    size_t lost = 0;
    for (uint32_t i = 0; i < LANES; i++) {
        writers[i] = (struct writer){ .backlog = backlog, .lane = i };
        pthread_create(&writers[i].thread, NULL, write_all, &writers[i]);
    }
    for (int i = 0; i < 200; i++)
        backlog_drain(backlog, take, &seen);
    for (int i = 0; i < LANES; i++) {
        pthread_join(writers[i].thread, NULL);
        lost += writers[i].lost;
    }
    backlog_drain(backlog, take, &seen);
    cr_expect(!seen.wrong);
    cr_expect_eq(seen.count + lost, (size_t)LANES * RECORDS);
    backlog_destroy(backlog);
}

struct sleeper {
    struct backlog *backlog;
    struct seen seen;
    _Atomic size_t seen_count;
};

static void *read_until_one(void *self)
{
    struct sleeper *sleeper = self;
    while (!sleeper->seen.count) {
        backlog_drain(sleeper->backlog, take, &sleeper->seen);
        backlog_wait(sleeper->backlog, 0, true);
    }
    sleeper->seen_count = sleeper->seen.count;
    return NULL;
}

Test(backlog, wakes_a_reader_that_sleeps)
{
    pthread_t thread;
    struct sleeper sleeper = { .backlog = backlog_create(1, 4096) };
    pthread_create(&thread, NULL, read_until_one, &sleeper);
    usleep(50000); /* its rounds are over long before */
    cr_assert(put(sleeper.backlog, 0, 0, 8));
    pthread_join(thread, NULL);
    cr_expect_eq(sleeper.seen_count, 1);
    backlog_destroy(sleeper.backlog);
}
