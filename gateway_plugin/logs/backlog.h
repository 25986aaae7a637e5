#pragma once
/*
 * Records on their way from the loops to one thread that may block. Each loop
 * has a lane of its own, a ring of bytes without a lock; where it is full the
 * record is lost, never the loop's time.
 */
#include <stdbool.h>
#include <stddef.h>

struct backlog;

/* `room`: bytes of each lane. */
struct backlog *backlog_create(size_t lanes, size_t room);
void backlog_destroy(struct backlog *backlog);

/* On the lane's own thread: `size` bytes to be filled, or NULL: there is no room. Nothing is said of it until it is
 * committed. */
void *backlog_reserve(struct backlog *backlog, size_t lane, size_t size);
/* What was reserved last is a record of `size` bytes, which may be fewer. */
void backlog_commit(struct backlog *backlog, size_t lane, size_t size);

typedef void backlog_take_fn(void *self, void *record, size_t size);
/* On the reader's thread: those that lie there, oldest first in each lane. How many they were. */
size_t backlog_drain(struct backlog *backlog, backlog_take_fn *take, void *self);
/* On the reader's thread: waits `ms`, or until it is woken. `idle`: nothing else is to be done, so where no record has
 * come for a while it waits for the next one. */
void backlog_wait(struct backlog *backlog, int ms, bool idle);
/* Any thread. */
void backlog_wake(struct backlog *backlog);
