#include "logs/backlog.h"

#include "process/edge_shared.h"
#include "must.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    ALIGN = 8,
    QUIET_ROUNDS = 50, /* so many waits without a record, then the reader sleeps until it is woken */
};

struct record {
    uint32_t size; /* SKIP: nothing more up to the end of the ring */
    uint32_t padding;
    char data[];
};

static const uint32_t SKIP = UINT32_MAX;

/* `head` and `tail` only grow: their difference is what lies in the ring. */
struct lane {
    char *data;
    _Atomic size_t tail __attribute__((aligned(64))); /* the writer's */
    size_t reserved;                                  /* where its record begins */
    _Atomic size_t head __attribute__((aligned(64))); /* the reader's */
};

struct backlog {
    size_t count, room; /* room: a power of two */
    int bell;
    _Atomic bool asleep;
    int quiet;
    struct lane lanes[];
};

static size_t power_of_two(size_t size)
{
    size_t out = 4096;
    while (out < size)
        out *= 2;
    return out;
}

struct backlog *backlog_create(size_t lanes, size_t room)
{
    struct backlog *backlog = must(aligned_alloc(64, sizeof *backlog + 64 + lanes * sizeof *backlog->lanes));
    *backlog = (struct backlog){ .count = lanes, .room = power_of_two(room) };
    backlog->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (backlog->bell < 0)
        abort();
    for (size_t i = 0; i < lanes; i++)
        backlog->lanes[i] = (struct lane){ .data = must(malloc(backlog->room)) };
    return backlog;
}

void backlog_destroy(struct backlog *backlog)
{
    if (!backlog)
        return;
    for (size_t i = 0; i < backlog->count; i++)
        free(backlog->lanes[i].data);
    close(backlog->bell);
    free(backlog);
}

static size_t footprint(size_t size)
{
    return (sizeof(struct record) + size + ALIGN - 1) / ALIGN * ALIGN;
}

static struct record *record_at(const struct backlog *backlog, const struct lane *lane, size_t at)
{
    return (struct record *)(lane->data + (at & (backlog->room - 1)));
}

void *backlog_reserve(struct backlog *backlog, size_t index, size_t size)
{
    struct lane *lane = &backlog->lanes[index];
    size_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
    size_t left = backlog->room - (tail - atomic_load_explicit(&lane->head, memory_order_acquire));
    size_t to_end = backlog->room - (tail & (backlog->room - 1)), need = footprint(size);
    lane->reserved = tail;
    /* A record lies in one piece: what is left at the end of the ring is skipped. */
    if (to_end < need) {
        if (left < to_end + need)
            return NULL;
        record_at(backlog, lane, tail)->size = SKIP;
        lane->reserved = tail + to_end;
    } else if (left < need) {
        return NULL;
    }
    return record_at(backlog, lane, lane->reserved)->data;
}

void backlog_commit(struct backlog *backlog, size_t index, size_t size)
{
    struct lane *lane = &backlog->lanes[index];
    record_at(backlog, lane, lane->reserved)->size = (uint32_t)size;
    atomic_store(&lane->tail, lane->reserved + footprint(size));
    if (atomic_load(&backlog->asleep))
        backlog_wake(backlog);
}

static size_t drain_lane(struct backlog *backlog, struct lane *lane, backlog_take_fn *take, void *self)
{
    size_t head = atomic_load_explicit(&lane->head, memory_order_relaxed), count = 0;
    size_t tail = atomic_load_explicit(&lane->tail, memory_order_acquire);
    while (head != tail) {
        struct record *record = record_at(backlog, lane, head);
        if (record->size == SKIP) {
            head += backlog->room - (head & (backlog->room - 1));
            continue;
        }
        take(self, record->data, record->size);
        head += footprint(record->size);
        count++;
        /* At once: where `take` blocks, the lane has room again for what it has taken. */
        atomic_store_explicit(&lane->head, head, memory_order_release);
    }
    return count;
}

size_t backlog_drain(struct backlog *backlog, backlog_take_fn *take, void *self)
{
    size_t count = 0;
    for (size_t i = 0; i < backlog->count; i++)
        count += drain_lane(backlog, &backlog->lanes[i], take, self);
    backlog->quiet = count ? 0 : backlog->quiet + 1;
    return count;
}

static bool empty(struct backlog *backlog)
{
    for (size_t i = 0; i < backlog->count; i++)
        if (atomic_load(&backlog->lanes[i].tail) != atomic_load(&backlog->lanes[i].head))
            return false;
    return true;
}

void backlog_wait(struct backlog *backlog, int ms, bool idle)
{
    struct pollfd bell = { .fd = backlog->bell, .events = POLLIN };
    if (idle && backlog->quiet >= QUIET_ROUNDS) {
        atomic_store(&backlog->asleep, true);
        /* Who has put a record before it could see that we sleep has not rung. */
        ms = empty(backlog) ? -1 : 0;
    }
    poll(&bell, 1, ms);
    atomic_store(&backlog->asleep, false);
    bell_quiet(backlog->bell);
}

void backlog_wake(struct backlog *backlog)
{
    bell_ring(backlog->bell);
}
