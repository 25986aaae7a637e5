#pragma once
/* What the files of the finder share. */
#include "projection/library_parts.h"
#include "projection/finder.h"

struct found {
    struct ctx *ctx;
    struct library *library;
    struct connection *reader;
};

/* `_cleanup_(found_done) struct found found = found_begin(...)`; reader NULL: failed. */
static inline struct found found_begin(struct ctx *ctx, struct library *library)
{
    return (struct found){ ctx, library, library_reader(ctx, library) };
}

static inline void found_done(struct found *found)
{
    if (found->reader)
        library_reader_done(found->library, found->reader);
}

/* Fills one item from the row that the statement stands on. */
typedef bool row_fn(struct ctx *ctx, sqlite3_stmt *row, void *item);

/* Runs a bound statement of at most `limit` + 1 rows; `more` (may be NULL) tells of the last one, which is left out. */
bool found_rows(struct found *found, sqlite3_stmt *statement, row_fn *read, size_t size, size_t limit, struct list *out,
                bool *more);

/* Rows in these orders of columns. */
bool row_track(struct ctx *ctx, sqlite3_stmt *row, void *item);  /* view */
bool row_artist(struct ctx *ctx, sqlite3_stmt *row, void *item); /* id, name, tracks, albums */
bool row_album(struct ctx *ctx, sqlite3_stmt *row, void *item);  /* id, name, artists, year, cover, tracks, duration */
#define ALBUM_COLUMNS                                                                                                  \
    "albums.id, albums.name, albums.artists, albums.year, albums.cover, albums.tracks, albums.duration"
#define ARTIST_COLUMNS "artists.id, artists.name, artists.tracks, artists.albums"
