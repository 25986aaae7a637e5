#pragma once
/* A track as clients see it: one version of it, flat. */
#include "track/track.h"

struct track_view {
    const char *id, *slug, *title, *description;
    struct list tags;
    struct list artists; /* of struct artist_ref */
    struct album_ref *album;
    struct list genres;
    int64_t year, track_number, disc_number;
    double duration;
    const char *codec;
    int64_t bit_rate, bit_depth, sample_rate, channels, size;
    const char *cover_id;
    int status;
    int64_t published_at, plays;
    /* The artist's and the editors' only: */
    const char *language, *reason, *owner_id;
    bool published; /* there is a live version, be it this one or another */
    int64_t created_at, updated_at;
};
extern const struct field track_view_fields[];  /* for everybody */
extern const struct field studio_view_fields[]; /* with the last ones */

/* Where the words were found: the texts as HTML, what matched between <em> and </em>. NULL: not there. */
struct highlight {
    const char *title, *artist, *album, *tags;
};
extern const struct field highlight_fields[];

/* A track as it was found. */
struct track_hit {
    struct track_view view;
    struct highlight *highlight;
};
extern const struct field track_hit_fields[];

/* The live version, as everybody sees it. */
void track_view_live(const struct track *track, struct track_view *out);
/* The version that is worked on. */
void track_view_working(const struct track *track, struct track_view *out);
