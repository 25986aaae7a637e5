#pragma once
/*
 * This replica's library, kept up by events: built from the store in the
 * background, then followed from the sequence noted before the scan. A stream
 * that lost what is needed, or is another one, makes a new library beside the
 * old, which answers until then. A folder under PROJECTION_DIR of its own.
 */
#include "nats/bus.h"
#include "projection/library.h"

#include <stdatomic.h>

struct projection;

struct projection_options {
    const char *dir; /* PROJECTION_DIR: each process takes the first folder below that no other has */
    struct store *store;
    const char *store_name; /* that no other store has: a file of another one is thrown away */
    struct bus *bus;
    /* After an event about what the public sees was applied; on the follower's thread. May be NULL. */
    void (*changed)(void *self);
    void *self;
};

/* Starts and returns; fails only for a folder it cannot write. Options are kept. */
struct projection *projection_open(struct ctx *ctx, const struct projection_options *options);
void projection_close(struct projection *projection);

/* The library now; library_unref() it. NULL: ERROR_UNAVAILABLE, the first one is still being built. */
struct library *projection_library(struct ctx *ctx, struct projection *projection);

/* Events not applied yet; -1: unknown, it is being built or NATS is away. */
int64_t projection_lag(struct projection *projection);
/* For /ready: there is a library and it is not far behind. */
bool projection_ready(struct ctx *ctx, void *projection);

/* Applies all published tracks of the store to a library that is being built; ends early, with an error, when `stop`
 * (may be NULL) is raised. */
bool projection_fill(struct ctx *ctx, struct store *store, struct library *library, const atomic_bool *stop);
