#pragma once
/*
 * What the public may find, in one SQLite file: full text and plain tables,
 * made from the store and thrown away at will. One thread writes, any read.
 */
#include "store/embedded_connection.h"
#include "track/track.h"

/* Up to where which stream of events is in the file, and of which store it tells. */
struct position {
    uint64_t sequence;
    int64_t created_ms; /* the stream's identity */
    int64_t store;      /* the store's */
};

struct library;

/* A new, empty file that is being built. */
struct library *library_create(struct ctx *ctx, const char *path);
/* A finished one. NULL (ERROR_NOT_FOUND): none there, half-built, of another version of this program, or broken. */
struct library *library_open(struct ctx *ctx, const char *path);
struct library *library_ref(struct library *library);
/* The last one closes; the file stays. */
void library_unref(struct library *library);
/* Removes a file with what belongs to it. */
void library_remove(const char *path);

bool library_position(struct ctx *ctx, struct library *library, struct position *out);

/*
 * One transaction of writes. library_commit() saves the sequence with it.
 * Versions older than what is there change nothing; a track without a live
 * version goes.
 */
bool library_begin(struct ctx *ctx, struct library *library);
bool library_apply(struct ctx *ctx, struct library *library, const struct track *track);
bool library_forget(struct ctx *ctx, struct library *library, const char *id);
bool library_commit(struct ctx *ctx, struct library *library, uint64_t sequence);
void library_rollback(struct library *library);

/* Ends the building: artists, albums and genres are counted, all is on the disk, the position is saved. */
bool library_finish(struct ctx *ctx, struct library *library, struct position position);

/* A connection for reading, stopped at the deadline of `ctx`; give it back. */
struct connection *library_reader(struct ctx *ctx, struct library *library);
void library_reader_done(struct library *library, struct connection *reader);
