#pragma once
/* Questions to a library. Each stops at the deadline of its ctx with ERROR_UNAVAILABLE. All in ctx->arena. */
#include "projection/library.h"
#include "projection/results.h"

struct search {
    const char *text;
    size_t limit;       /* of each section */
    const char *cursor; /* of one section: the others are then empty. NULL = the beginning */
};

/* ERROR_INVALID where `text` has more than 200 characters, or for a cursor of another search. Without a word in it
 * nothing is found. */
bool find_all(struct ctx *ctx, struct library *library, const struct search *search, struct search_result *out);

/* What shares artists, album, genres and tags with a track, most of it first. Empty for one that is not there. */
bool find_similar(struct ctx *ctx, struct library *library, const char *id, size_t limit, struct list *out);

/* Sorted by name; `out` holds struct artist_view, album_view, genre_view. */
bool find_artists(struct ctx *ctx, struct library *library, size_t limit, const char *cursor, struct section *out);
bool find_albums(struct ctx *ctx, struct library *library, size_t limit, const char *cursor, struct section *out);
bool find_genres(struct ctx *ctx, struct library *library, size_t limit, const char *cursor, struct section *out);

/* ERROR_NOT_FOUND. At most 500 albums, 500 tracks. */
bool find_artist(struct ctx *ctx, struct library *library, const char *id, struct artist_page *out);
bool find_album(struct ctx *ctx, struct library *library, const char *id, struct album_page *out);
