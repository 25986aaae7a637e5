/* The tables of the embedded store, and what is declared in it. */
#include "store/collection.h"
#include "store/embedded.h"
#include "store/keys.h"

#include <string.h>

enum {
    APPLICATION_ID = 0x746e6101, /* "tna" and the format's version */
    FILL_BATCH = 500,
};

static const char *const schema =
    "CREATE TABLE collections (name TEXT PRIMARY KEY) WITHOUT ROWID;"
    /* on_fields: names joined by a space; filled: the row up to which it holds the documents, ready when all */
    "CREATE TABLE indexes (number INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, name TEXT NOT NULL,"
    " on_fields TEXT NOT NULL, is_unique INTEGER NOT NULL, ready INTEGER NOT NULL, filled INTEGER NOT NULL,"
    " UNIQUE (collection, name));"
    "CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, type TEXT NOT NULL,"
    " at INTEGER NOT NULL, json TEXT NOT NULL);"
    "CREATE TABLE event_log (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL,"
    " json TEXT NOT NULL);"
    "CREATE INDEX event_log_at ON event_log (at);"
    "PRAGMA application_id = 1953390849;"
    "PRAGMA user_version = 1;";

static bool number_of(struct ctx *ctx, struct connection *connection, const char *sql, int64_t *out)
{
    _cleanup_(statement_leave) sqlite3_stmt *statement = statement_of(ctx, connection, sql);
    if (!statement || !statement_step(ctx, connection, statement))
        return false;
    *out = sqlite3_column_int64(statement, 0);
    return true;
}

bool schema_generation(struct ctx *ctx, struct connection *connection, int64_t *out)
{
    return number_of(ctx, connection, "PRAGMA user_version", out);
}

static bool generation_raise(struct ctx *ctx, struct connection *connection)
{
    int64_t generation;
    return schema_generation(ctx, connection, &generation) &&
           connection_run(ctx, connection,
                          arena_printf(&ctx->arena, "PRAGMA user_version = %lld", (long long)generation + 1));
}

static bool create_file(struct ctx *ctx, struct connection *connection)
{
    int64_t application, tables;
    if (!number_of(ctx, connection, "PRAGMA application_id", &application) ||
        !number_of(ctx, connection, "SELECT count(*) FROM sqlite_schema", &tables))
        return false;
    if (application == APPLICATION_ID)
        return true;
    if (application || tables)
        return ctx_fail(ctx, ERROR_INTERNAL, "the file is no store of this version");
    return connection_run(ctx, connection, schema);
}

static bool create_collection(struct ctx *ctx, struct connection *connection, const char *name)
{
    sqlite3_stmt *statement = statement_of(ctx, connection,
                                           "INSERT INTO collections (name) VALUES (?) ON CONFLICT DO NOTHING");
    if (!statement)
        return false;
    bind_text(statement, 1, name);
    if (!statement_run(ctx, connection, statement))
        return false;
    if (!sqlite3_changes(connection->db))
        return true;
    return connection_run(ctx, connection,
                          arena_printf(&ctx->arena,
                                       "CREATE TABLE \"d:%s\" (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
                                       " v INTEGER NOT NULL, d BLOB NOT NULL)",
                                       name));
}

bool schema_create(struct ctx *ctx, struct connection *connection, const struct tables *tables)
{
    bool ok = connection_run(ctx, connection, "BEGIN IMMEDIATE") && create_file(ctx, connection);
    for (size_t i = 0; ok && i < tables->count; i++)
        ok = create_collection(ctx, connection, tables->items[i].of->name);
    return ok && connection_run(ctx, connection, "COMMIT"); /* else closing the connection rolls back */
}

static void split_fields(struct ctx *ctx, const char *joined, struct declared *out)
{
    char *rest = arena_strdup(&ctx->arena, joined), *word;
    while (out->fields < INDEX_FIELDS && (word = strsep(&rest, " ")))
        out->on[out->fields++] = word;
}

bool schema_declared(struct ctx *ctx, struct connection *connection, const char *collection, struct declarations *out)
{
    *out = (struct declarations){ arena_array(&ctx->arena, struct declared, INDEXES_MAX), 0 };
    _cleanup_(statement_leave) sqlite3_stmt *statement = statement_of(
        ctx, connection,
        "SELECT number, name, on_fields, is_unique, ready FROM indexes WHERE collection = ? ORDER BY number");
    if (!statement)
        return false;
    bind_text(statement, 1, collection);
    int step;
    while ((step = statement_step(ctx, connection, statement)) == SQLITE_ROW && out->count < INDEXES_MAX) {
        struct declared *index = &out->items[out->count++];
        index->number = sqlite3_column_int64(statement, 0);
        index->name = column_text(ctx, statement, 1);
        split_fields(ctx, column_text(ctx, statement, 2), index);
        index->unique = sqlite3_column_int(statement, 3);
        index->ready = sqlite3_column_int(statement, 4);
    }
    return step != 0;
}

/* A declaration on its way; each step is a transaction of its own on the writer's thread. */
struct declaring {
    const char *collection;
    const struct declared *index;
    struct declared made; /* as the store has it */
    bool done;
};

static bool create_index(struct ctx *ctx, struct connection *connection, const struct declaring *declaring)
{
    const struct declared *index = declaring->index;
    struct buf sql = BUF(&ctx->arena), fields = BUF(&ctx->arena);
    buf_printf(&sql, "CREATE TABLE \"i:%s:%s\" (", declaring->collection, index->name);
    columns(&sql, index->fields, "k#", ", ");
    buf_text(&sql, ", id TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (");
    columns(&sql, index->fields, "k#", ", ");
    buf_printf(&sql, "%s)) WITHOUT ROWID", index->unique ? "" : ", id");
    for (size_t i = 0; i < index->fields; i++)
        buf_printf(&fields, "%s%s", i ? " " : "", index->on[i]);

    sqlite3_stmt *statement = statement_of(
        ctx, connection,
        "INSERT INTO indexes (collection, name, on_fields, is_unique, ready, filled) VALUES (?, ?, ?, ?, 0, 0)");
    if (!statement)
        return false;
    bind_text(statement, 1, declaring->collection);
    bind_text(statement, 2, index->name);
    bind_text(statement, 3, fields.data);
    sqlite3_bind_int(statement, 4, index->unique);
    return statement_run(ctx, connection, statement) && connection_run(ctx, connection, sql.data) &&
           generation_raise(ctx, connection);
}

/* Finds it among what is declared, or makes it: from this commit on all writers of all processes keep it. */
static bool declare_step(struct ctx *ctx, struct connection *connection, void *self)
{
    struct declaring *declaring = self;
    struct declarations declared;
    if (!create_collection(ctx, connection, declaring->collection))
        return false;
    if (!declaring->index)
        return true;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!schema_declared(ctx, connection, declaring->collection, &declared))
            return false;
        for (size_t i = 0; i < declared.count; i++)
            if (strcmp(declared.items[i].name, declaring->index->name) == 0) {
                declaring->made = declared.items[i];
                return declared_equal(&declared.items[i], declaring->index) ||
                       ctx_fail(ctx, ERROR_CONFLICT, "%s.%s is declared otherwise: take another name",
                                declaring->collection, declaring->index->name);
            }
        if (declared.count == INDEXES_MAX)
            return ctx_fail(ctx, ERROR_INTERNAL, "%s has %d indexes already", declaring->collection, INDEXES_MAX);
        if (attempt == 0 && !create_index(ctx, connection, declaring))
            return false;
    }
    return false;
}

/* Enters one document that was there before the index. The writers may have entered it already. */
static bool fill_one(struct ctx *ctx, struct connection *connection, const struct declaring *declaring,
                     sqlite3_stmt *enter, const struct row *row, int64_t n)
{
    struct entry *entries;
    size_t count;
    const struct declared *index = &declaring->made;
    if (!entries_of(ctx, index, row->fields, &entries, &count))
        return ctx_fail(ctx, ERROR_INVALID, "%s.%s: %s", declaring->collection, index->name, row->id);
    for (size_t i = 0; i < count; i++) {
        int at = 1;
        for (size_t k = 0; k < index->fields; k++)
            bind_key(enter, at++, &entries[i].keys[k]);
        bind_text(enter, at, row->id);
        sqlite3_bind_int64(enter, at + 1, n);
        if (!statement_run(ctx, connection, enter))
            return false;
        /* Nothing entered or renewed: the key is another document's. */
        if (!sqlite3_changes(connection->db))
            return ctx_fail(ctx, ERROR_CONFLICT, "%s.%s: two documents have the same key, one is %s",
                            declaring->collection, index->name, row->id);
    }
    return true;
}

static sqlite3_stmt *fill_statement(struct ctx *ctx, struct connection *connection, const struct declaring *declaring)
{
    struct buf sql = BUF(&ctx->arena);
    buf_printf(&sql, "INSERT INTO \"i:%s:%s\" AS i VALUES (", declaring->collection, declaring->made.name);
    columns(&sql, declaring->made.fields, "?", ", ");
    buf_text(&sql, ", ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n WHERE i.id = excluded.id");
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(connection->db, sql.data, -1, &statement, NULL) != SQLITE_OK)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s", sqlite3_errmsg(connection->db));
    return statement;
}

static sqlite3_stmt *rest_statement(struct ctx *ctx, struct connection *connection, const struct declaring *declaring)
{
    sqlite3_stmt *statement = NULL;
    const char *sql = arena_printf(
        &ctx->arena,
        "SELECT d, n, id FROM \"d:%s\" WHERE n > (SELECT filled FROM indexes WHERE number = ?)"
        " ORDER BY n LIMIT %d",
        declaring->collection, FILL_BATCH);
    if (sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s", sqlite3_errmsg(connection->db));
    sqlite3_bind_int64(statement, 1, declaring->made.number);
    return statement;
}

static bool note_filled(struct ctx *ctx, struct connection *connection, struct declaring *declaring, int64_t n)
{
    declaring->done = n == 0;
    sqlite3_stmt *statement = statement_of(ctx, connection,
                                           "UPDATE indexes SET filled = max(filled, ?), ready = ? WHERE number = ?");
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, n);
    sqlite3_bind_int(statement, 2, declaring->done);
    sqlite3_bind_int64(statement, 3, declaring->made.number);
    return statement_run(ctx, connection, statement);
}

DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_finalize)

static bool fill_step(struct ctx *ctx, struct connection *connection, void *self)
{
    struct declaring *declaring = self;
    _cleanup_(sqlite3_finalizep) sqlite3_stmt *rest = rest_statement(ctx, connection, declaring);
    _cleanup_(sqlite3_finalizep) sqlite3_stmt *enter = fill_statement(ctx, connection, declaring);
    if (!rest || !enter)
        return false;
    int64_t last = 0;
    int step;
    while ((step = statement_step(ctx, connection, rest)) == SQLITE_ROW) {
        bson_t fields;
        struct row row = { .id = (const char *)sqlite3_column_text(rest, 2), .fields = &fields };
        last = sqlite3_column_int64(rest, 1);
        if (!bson_init_static(&fields, sqlite3_column_blob(rest, 0), (size_t)sqlite3_column_bytes(rest, 0)))
            return ctx_fail(ctx, ERROR_INTERNAL, "%s is damaged in the store", row.id);
        if (!fill_one(ctx, connection, declaring, enter, &row, last))
            return false;
    }
    return step == SQLITE_DONE && note_filled(ctx, connection, declaring, last);
}

bool embedded_declare(struct ctx *ctx, struct backend *self, const char *collection, const struct declared *index)
{
    struct writer *writer = ((struct embedded *)self)->writer;
    struct declaring declaring = { .collection = collection, .index = index };
    if (!writer_run(ctx, writer, declare_step, &declaring))
        return false;
    declaring.done = !index || declaring.made.ready;
    while (!declaring.done)
        if (!writer_run(ctx, writer, fill_step, &declaring))
            return false;
    return true;
}
