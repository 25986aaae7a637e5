#pragma once
/*
 * The embedded back end: one SQLite file per service in a directory, WAL, shared
 * by the processes of one machine. Documents are BSON in a table per
 * collection ("d:users"), keys stand in a table per index ("i:users:by_email").
 * Internal to shared/store.
 */
#include "store/backend.h"
#include "store/embedded_connection.h"

struct writer;
struct readers;

struct embedded {
    struct backend base;
    struct arena arena;
    const char *path;
    const struct tables *tables;
    struct readers *readers;
    struct writer *writer;
};

/* A bounded pool of reading connections. take: NULL when none is free before the deadline. */
struct readers *readers_create(const char *path);
void readers_destroy(struct readers *readers);
struct connection *readers_take(struct ctx *ctx, struct readers *readers);
void readers_give(struct readers *readers, struct connection *connection);

bool embedded_get(struct ctx *ctx, struct backend *self, const struct table *table, const char *const *ids,
                  size_t count, const struct sink *sink);
bool embedded_scan(struct ctx *ctx, struct backend *self, const struct query *query, const struct sink *sink);

/*
 * The one thread of this process that writes. It queues for the file with the
 * writers of other processes, takes what has gathered and commits it at once.
 */
struct writer *writer_create(struct ctx *ctx, const char *path, const struct tables *tables);
void writer_destroy(struct writer *writer);
bool writer_write(struct ctx *ctx, struct writer *writer, struct change *changes, size_t count);
/* Runs `run` on the writer's thread in its transaction; what it wrote is undone when it fails. */
bool writer_run(struct ctx *ctx, struct writer *writer,
                bool (*run)(struct ctx *ctx, struct connection *connection, void *self), void *self);

/* The memory that SQLite shares between all processes that have the file open, for as long as the connection is. NULL:
 * none. */
const uint32_t *connection_wal_index(struct connection *connection);
bool wal_index_stamp(const uint32_t *wal_index, struct store_stamp *out);
bool writer_stamp(const struct writer *writer, struct store_stamp *out);

/* One change in the transaction under way. false and connection->broken: the transaction is lost; false alone: refused,
 * nothing was written. */
bool apply_change(struct ctx *ctx, struct connection *connection, const struct declarations *declared,
                  struct change *change);

/* Files, tables and declarations. */
bool schema_create(struct ctx *ctx, struct connection *connection, const struct tables *tables);
bool schema_declared(struct ctx *ctx, struct connection *connection, const char *collection, struct declarations *out);
/* Rises with every declaration, in any process. */
bool schema_generation(struct ctx *ctx, struct connection *connection, int64_t *out);
bool embedded_declare(struct ctx *ctx, struct backend *self, const char *collection, const struct declared *index);

/* Appends `each` for every field of an index, its # replaced by the number: "k0, k1, k2". */
void columns(struct buf *sql, size_t fields, const char *each, const char *between);

bool embedded_outbox_read(struct ctx *ctx, struct backend *self, size_t limit, struct outbox_event **out,
                          size_t *count);
bool embedded_outbox_done(struct ctx *ctx, struct backend *self, const struct outbox_event *events, size_t count);
bool embedded_outbox_log(struct ctx *ctx, struct backend *self, int64_t since_ms, const char *cursor, size_t limit,
                         struct outbox_event **out, size_t *count, const char **next);
bool embedded_outbox_sweep(struct ctx *ctx, struct backend *self, int64_t before_ms, size_t *dropped);
