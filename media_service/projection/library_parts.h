#pragma once
/* What the files of the library share. Nobody outside this folder includes it. */
#include "projection/library.h"

#include <pthread.h>
#include <stdatomic.h>

enum { READERS_KEPT = 16 };

struct library {
    char *path;
    struct connection *writer; /* the one writing thread's */
    bool building;
    atomic_int users;
    pthread_mutex_t lock; /* idle */
    struct connection *idle[READERS_KEPT];
    size_t idle_count;
};

/* What a track is found under, and counted by. */
enum facet { FACET_ARTIST = 1, FACET_ALBUM_ARTIST, FACET_ALBUM, FACET_GENRE, FACET_TAG };

/* The artists of an album, kept with each of its tracks. */
struct album_part {
    struct list artists; /* of struct artist_ref */
};
extern const struct field album_part_fields[];

/* Counts an artist, an album or a genre anew; it goes with its last track. */
bool group_refresh(struct ctx *ctx, struct library *library, enum facet facet, const char *value);
bool groups_refresh_all(struct ctx *ctx, struct library *library);

/* BSON of a record, bound as a blob that lives until the statement is reset. */
void bind_record(struct ctx *ctx, sqlite3_stmt *statement, int at, const struct field *fields, const void *record);
bool column_record(struct ctx *ctx, sqlite3_stmt *statement, int at, const struct field *fields, void *out);
