#pragma once
/* What is found: records for HTTP and NATS alike. */
#include "track/track_view.h"

struct artist_view {
    const char *id, *name;
    int64_t tracks, albums;
    struct highlight *highlight; /* in search only */
};
extern const struct field artist_view_fields[];
extern const struct field artist_hit_fields[];

struct album_view {
    const char *id, *name;
    struct list artists; /* of struct artist_ref */
    int64_t year, tracks;
    double duration;
    const char *cover_id;
    struct highlight *highlight; /* in search only */
};
extern const struct field album_view_fields[];
extern const struct field album_hit_fields[];

struct genre_view {
    const char *name;
    int64_t tracks, albums;
};
extern const struct field genre_view_fields[];

/* An artist with their albums, an album with its tracks. */
struct artist_page {
    struct artist_view artist;
    struct list album_list; /* of struct album_view */
};
extern const struct field artist_page_fields[];

struct album_page {
    struct album_view album;
    struct list track_list; /* of struct track_view */
};
extern const struct field album_page_fields[];

struct section {
    struct list items;
    const char *next;
};

struct search_result {
    struct section *tracks, *albums, *artists, *playlists, *people;
};
extern const struct field search_result_fields[];
