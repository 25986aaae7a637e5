#pragma once
/*
 * A track is one document that holds the version the public sees and the one
 * its artist works on; what must change together changes in one write.
 */
#include "store/store.h"

enum track_status { TRACK_DRAFT, TRACK_SUBMITTED, TRACK_PUBLISHED, TRACK_UNPUBLISHED };
extern const char *const track_statuses[];

struct artist_ref {
    const char *id, *name;
};
extern const struct field artist_ref_fields[];

struct album_ref {
    const char *id, *name;
};
extern const struct field album_ref_fields[];

/* What the file says and is. */
struct audio {
    const char *hash; /* its blob */
    const char *media_type;
    const char *codec;
    int64_t size;     /* bytes */
    double duration;  /* seconds */
    int64_t bit_rate; /* bit/s */
    int64_t bit_depth, sample_rate, channels;
    struct list artists;                     /* of struct artist_ref, at least one */
    bool by_uploader;                        /* the file named no artist: it is the uploader's name */
    struct list album_artists;               /* of struct artist_ref, where there is an album */
    struct album_ref *album;                 /* NULL: none */
    struct list genres;                      /* of const char * */
    int64_t year, track_number, disc_number; /* 0 = unknown */
    const char *cover_id;                    /* NULL: none */
};
extern const struct field audio_fields[];

struct version {
    const char *title, *description;
    struct list tags; /* of const char * */
    const char *language;
    struct audio *audio; /* NULL: not uploaded yet */
};
extern const struct field version_fields[];

struct track {
    struct doc doc;
    const char *owner_id;
    const char *slug;
    int status;            /* of the version that is worked on: `draft`, or `live` where there is no other */
    struct list states;    /* lower case, for lists: that status, and "published" while there is a live version */
    struct version *draft; /* NULL: the live one is all there is */
    struct version *live;  /* NULL: the public sees nothing */
    struct list live_tags; /* of live, for lists */
    bool named;            /* was public once: the slug stays */
    const char *reason;    /* an editor's, of the last return or unpublish */
    int64_t created_at, updated_at;
    int64_t published_at; /* 0 while it is not public */
    int64_t plays;
};
extern const struct field track_fields[];

/* The version its artist works on. */
const struct version *track_working(const struct track *track);
