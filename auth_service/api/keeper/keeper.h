#pragma once
/* Chores that a process does for as long as it runs: a thread of its own and a table. */
#include "base/ctx.h"

struct chore {
    const char *name;
    int64_t every_ms;
    /* Idempotent: every replica does it. False: tried again when its time comes; ctx->error says why. */
    bool (*run)(struct ctx *ctx, void *self);
    void *self;
};

struct keeper;

/* `chores` ends with {0} and is kept. Each is done once at the start. */
struct keeper *keeper_start(const struct chore *chores);
/* Waits for the chore under way. */
void keeper_stop(struct keeper *keeper);
