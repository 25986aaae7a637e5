#pragma once
/*
 * What the public may find, in one SQLite file: full text and plain tables,
 * made from the store and thrown away at will. One thread writes, any read.
 */
#include "store/connection.h"
#include "track/track.h"

/* Up to where the stream of events is in the file. */
struct position {
    uint64_t sequence;
    int64_t created_ms; /* the stream's identity */
};

struct catalog;

/* A new, empty file that is being built. */
struct catalog *catalog_create(struct ctx *ctx, const char *path);
/* A finished one. NULL (ERROR_NOT_FOUND): none there, half-built, of another version of this program, or broken. */
struct catalog *catalog_open(struct ctx *ctx, const char *path);
struct catalog *catalog_ref(struct catalog *catalog);
/* The last one closes; the file stays. */
void catalog_unref(struct catalog *catalog);
/* Removes a file with what belongs to it. */
void catalog_remove(const char *path);

bool catalog_position(struct ctx *ctx, struct catalog *catalog, struct position *out);

/*
 * One transaction of writes. catalog_commit() saves the sequence with it.
 * Versions older than what is there change nothing; a track without a live
 * version goes.
 */
bool catalog_begin(struct ctx *ctx, struct catalog *catalog);
bool catalog_apply(struct ctx *ctx, struct catalog *catalog, const struct track *track);
bool catalog_forget(struct ctx *ctx, struct catalog *catalog, const char *id);
bool catalog_commit(struct ctx *ctx, struct catalog *catalog, uint64_t sequence);
void catalog_rollback(struct catalog *catalog);

/* Ends the building: artists, albums and genres are counted, all is on the disk, the position is saved. */
bool catalog_finish(struct ctx *ctx, struct catalog *catalog, struct position position);

/* A connection for reading, stopped at the deadline of `ctx`; give it back. */
struct connection *catalog_reader(struct ctx *ctx, struct catalog *catalog);
void catalog_reader_done(struct catalog *catalog, struct connection *reader);
