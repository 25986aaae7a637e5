#pragma once
/* For the start of a process: its store may come a moment later, or be too busy to answer in time. */
#include "base/ctx.h"

/* Calls `step` again while it fails with ERROR_UNAVAILABLE, for at most 30 s and until SIGTERM or SIGINT waits to be
 * taken. `step` leaves nothing behind when it fails. Returns what it returned last. */
bool store_when_there(struct ctx *ctx, bool (*step)(struct ctx *ctx, void *self), void *self);
