#pragma once
/*
 * The MongoDB back end, for what MongoDB 5+ and FerretDB 1.24 (behind a gate)
 * both do. A document is {_id, v, w, k, d, o, oa, gone}:
 *   k     {by_slug: {a: .., b: .., id: ..}}: the keys, a sub-document per declared index; a list is an array.
 *         The id ends all but unique ones, because pages are ordered by it (with _id itself no index would be sparse)
 *   d     the fields
 *   o     [{i, t, j, a}]: events not yet relayed: id, type, JSON, time; oa: the oldest time
 *   gone  true: a tombstone, only there until its events are out
 * Internal to shared/store.
 */
#include "base/cleanup.h"
#include "store/backend.h"
#include "store/breaker.h"

#include <mongoc/mongoc.h>

enum {
    CLIENTS_MAX = 32,
    SELECTION_MS = 1000,
    CONNECT_MS = 1000,
    SOCKET_MS = 5000,         /* of one command */
    LONG_MS = 3600 * 1000,    /* of one that makes an index */
    COMMAND_BYTES = 12 << 20, /* of documents in one command; the limit is 16 MiB */
};

DEFINE_CLEANUP(bson_t *, bson_destroy)

/* The name of an array's item; in a variable before libbson's macros, which take it twice. `room` is of 16 bytes. */
static inline const char *item_name(uint32_t number, char *room)
{
    const char *name;
    bson_uint32_to_string(number, &name, room, 16);
    return name;
}

struct catalog;

/* A client of the pool and until when its present holder may wait. */
struct limit {
    mongoc_client_t *client;
    int64_t until_ms;
};

struct mongodb {
    struct backend base;
    struct arena arena;
    const char *database;
    const struct tables *tables;
    mongoc_client_pool_t *pool;
    bool ferretdb;
    size_t batch_max; /* writes in one command, as the server says */
    struct breaker breaker;
    pthread_mutex_t lock; /* limits */
    struct limit limits[CLIENTS_MAX];
    struct catalog *catalog;
};

/* Streams that wait no longer than the call they work for. */
void limit_streams(mongoc_client_t *client, struct limit *limit);

/* Runs one command, with the time that is left as maxTimeMS. What came of it: */
enum outcome {
    DONE_WELL,
    REFUSED,   /* the server said no: ctx->error has its code's meaning */
    UNKNOWN,   /* it may or may not have been done: ctx->error is UNAVAILABLE */
    NOT_TRIED, /* it never left: ctx->error is UNAVAILABLE */
};
enum outcome mongodb_command(struct ctx *ctx, struct mongodb *mongodb, bson_t *command, bool writes, bson_t *reply);
/* The same for what takes long (an index of many documents). */
enum outcome mongodb_long_command(struct ctx *ctx, struct mongodb *mongodb, bson_t *command, bson_t *reply);
/* The first of writeErrors in a reply that is ok. */
enum outcome mongodb_write_errors(struct ctx *ctx, const struct mongodb *mongodb, const bson_t *reply);
/* CONFLICT for a duplicate key (the index's name in the message where the server tells it), DISK_FULL, TOO_LARGE, ...
 */
void mongodb_fail(struct ctx *ctx, const struct mongodb *mongodb, int code, const char *message);
/* UNKNOWN for what a server says while it stops or changes its role. */
enum outcome mongodb_refusal(int code);

/* {insert|update|delete: collection, documents|updates|deletes: [...]}: how many it was done to. */
enum outcome mongodb_insert(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *document);
enum outcome mongodb_update(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                            const bson_t *update, bool many, int64_t *count);
enum outcome mongodb_delete(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                            bool many, int64_t *count);

/* All documents that a filter finds, given to `each`; opts as mongoc_collection_find_with_opts takes them. */
bool mongodb_find(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                  const bson_t *opts, bool (*each)(struct ctx *ctx, void *self, const bson_t *document), void *self);

/* One stored document, copied into the arena. */
struct stored {
    const char *id;
    const char *w;
    int64_t version;
    bool gone;
    bool carries; /* events wait in it */
    bson_t fields;
};
bool stored_read(struct ctx *ctx, const bson_t *document, struct stored *out);
/* ERROR_NOT_FOUND where there is none; tombstones are found. */
bool mongodb_stored(struct ctx *ctx, struct mongodb *mongodb, const struct table *table, const char *id,
                    struct stored *out);

bool mongodb_get(struct ctx *ctx, struct backend *self, const struct table *table, const char *const *ids, size_t count,
                 const struct sink *sink);
bool mongodb_scan(struct ctx *ctx, struct backend *self, const struct query *query, const struct sink *sink);
bool mongodb_write(struct ctx *ctx, struct backend *self, struct change *changes, size_t count);
/* One change, to its end: retried and read back after an unknown outcome. */
bool mongodb_write_one(struct ctx *ctx, struct mongodb *mongodb, struct change *change);

/* mongodb_document.c: the parts of documents and updates */
bool document_insert(struct ctx *ctx, const struct declarations *declared, const struct change *change, bson_t *out);
/* An insert in the place of a tombstone. */
bool document_revive(struct ctx *ctx, const struct declarations *declared, const struct change *change, bson_t *out);
/* $set, $unset, $push, $min of an update; `old` NULL: not needed for the keys. */
bool document_update(struct ctx *ctx, const struct declarations *declared, const struct change *change,
                     const bson_t *old, bson_t *out);
bool document_needs_old(const struct declarations *declared, const struct change *change);
/* A tombstone of this version. */
void document_remove(struct ctx *ctx, const struct change *change, int64_t version, bson_t *out);
/* The keys of one index as {a, b, ..., id}; false in *some: the document is not in it. */
bool document_keys(struct ctx *ctx, const struct declared *index, const char *id, const bson_t *fields, bson_t *out,
                   bool *some);

/* Sets the keys of a declared index in the documents that lack them. `since_ms` (unix): when the collection was made.
 */
bool mongodb_fill(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const struct declared *index,
                  int64_t since_ms);
enum { CATALOG_AGE_MS = 1000 };
/* What is declared, not older than that. In ctx->arena. */
struct catalog *catalog_create(void);
void catalog_destroy(struct catalog *catalog);
bool catalog_of(struct ctx *ctx, struct mongodb *mongodb, const char *collection, struct declarations *out);
bool mongodb_declared(struct ctx *ctx, struct backend *self, const char *collection, struct declarations *out);
bool mongodb_declare(struct ctx *ctx, struct backend *self, const char *collection, const struct declared *index);
bool mongodb_prepare(struct ctx *ctx, struct mongodb *mongodb); /* indexes of the store itself */

bool mongodb_outbox_read(struct ctx *ctx, struct backend *self, size_t limit, struct outbox_event **out, size_t *count);
bool mongodb_outbox_done(struct ctx *ctx, struct backend *self, const struct outbox_event *events, size_t count);
bool mongodb_outbox_log(struct ctx *ctx, struct backend *self, int64_t since_ms, const char *cursor, size_t limit,
                        struct outbox_event **out, size_t *count, const char **next);
bool mongodb_outbox_sweep(struct ctx *ctx, struct backend *self, int64_t before_ms, size_t *dropped);
