#include "projection/library.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "projection/library_parts.h"

#include <stdio.h>
#include <string.h>

enum {
    CONTENT = 2, /* raise it when other things are written into the same tables */
    PROGRESS_STEPS = 20000,
};

static const char schema[] =
    "CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE tracks(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,"
    " published INTEGER NOT NULL, disc INTEGER NOT NULL, number INTEGER NOT NULL, year INTEGER NOT NULL,"
    " duration REAL NOT NULL, cover TEXT, view BLOB NOT NULL, album BLOB);"
    "CREATE TABLE facets(kind INTEGER NOT NULL, value TEXT NOT NULL, track INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY(kind, value, track)) WITHOUT ROWID;"
    "CREATE INDEX facets_of_track ON facets(track, kind);"
    /* Of each spelling, and of each album, how many tracks: what would take long to count again for every event. */
    "CREATE TABLE spellings(kind INTEGER NOT NULL, value TEXT NOT NULL, name TEXT NOT NULL, tracks INTEGER NOT NULL,"
    " PRIMARY KEY(kind, value, name)) WITHOUT ROWID;"
    "CREATE TABLE on_albums(kind INTEGER NOT NULL, value TEXT NOT NULL, album TEXT NOT NULL, tracks INTEGER NOT NULL,"
    " PRIMARY KEY(kind, value, album)) WITHOUT ROWID;"
    "CREATE TABLE genre_albums(genre TEXT PRIMARY KEY, albums INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TRIGGER album_added AFTER INSERT ON on_albums WHEN new.kind = 4 BEGIN INSERT INTO genre_albums VALUES(new.value, 1)"
    " ON CONFLICT DO UPDATE SET albums = albums + 1; END;"
    "CREATE TRIGGER album_gone AFTER DELETE ON on_albums WHEN old.kind = 4 BEGIN"
    " UPDATE genre_albums SET albums = albums - 1 WHERE genre = old.value; END;"
    "CREATE TABLE artists(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sort TEXT NOT NULL, name TEXT NOT NULL,"
    " tracks INTEGER NOT NULL, albums INTEGER NOT NULL);"
    "CREATE INDEX artists_sorted ON artists(sort, id);"
    "CREATE TABLE albums(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sort TEXT NOT NULL, name TEXT NOT NULL,"
    " artists BLOB NOT NULL, year INTEGER NOT NULL, cover TEXT, tracks INTEGER NOT NULL, duration REAL NOT NULL);"
    "CREATE INDEX albums_sorted ON albums(sort, id);"
    "CREATE TABLE genres(id TEXT PRIMARY KEY, name TEXT NOT NULL, tracks INTEGER NOT NULL, albums INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    /* Texts come folded, words by spaces: the tokenizer has only to split them. */
    "CREATE VIRTUAL TABLE track_words USING fts5(title, artist, album, tags, tokenize='ascii', prefix='2 3');"
    "CREATE VIRTUAL TABLE album_words USING fts5(name, artist, tokenize='ascii', prefix='2 3');"
    "CREATE VIRTUAL TABLE artist_words USING fts5(name, tokenize='ascii', prefix='2 3');"
    "INSERT INTO track_words(track_words, rank) VALUES('rank', 'bm25(10, 6, 3, 2)');"
    "INSERT INTO album_words(album_words, rank) VALUES('rank', 'bm25(10, 5)');";

/* Of which form a file is: by the text of the schema itself, which nobody can forget to count. Files of another form
 * are built anew. */
static int64_t form(void)
{
    unsigned char hash[SHA256_SIZE];
    int64_t out;
    sha256(schema, sizeof schema, hash);
    memcpy(&out, hash, sizeof out);
    return out ^ CONTENT;
}

static struct library *library_new(struct connection *writer, const char *path)
{
    struct library *library = calloc(1, sizeof *library);
    library->path = strdup(path);
    library->writer = writer;
    library->users = 1;
    pthread_mutex_init(&library->lock, NULL);
    return library;
}

static bool state_set(struct ctx *ctx, struct connection *writer, const char *name, int64_t value)
{
    sqlite3_stmt *set = statement_of(ctx, writer,
                                     "INSERT INTO state VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
    if (!set)
        return false;
    bind_text(set, 1, name);
    sqlite3_bind_int64(set, 2, value);
    return statement_run(ctx, writer, set);
}

/* 0 where it was never set. */
static bool state_get(struct ctx *ctx, struct connection *reader, const char *name, int64_t *value)
{
    _cleanup_(statement_leave) sqlite3_stmt *get = statement_of(ctx, reader, "SELECT value FROM state WHERE name = ?");
    if (!get)
        return false;
    bind_text(get, 1, name);
    int code = statement_step(ctx, reader, get);
    *value = code == SQLITE_ROW ? sqlite3_column_int64(get, 0) : 0;
    return code != 0;
}

struct library *library_create(struct ctx *ctx, const char *path)
{
    struct connection *writer = connection_open(ctx, path, true);
    if (!writer)
        return NULL;
    /* What is being built is worth nothing until it is finished: nothing waits for the disk. */
    if (!connection_run(ctx, writer,
                        "PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=20000;") ||
        !connection_run(ctx, writer, schema) || !state_set(ctx, writer, "schema", form())) {
        connection_close(writer);
        return NULL;
    }
    struct library *library = library_new(writer, path);
    library->building = true;
    return library;
}

/* After a loss of power the newest commits may be gone, together with their sequence: they are read again. */
static bool writer_settle(struct ctx *ctx, struct connection *writer)
{
    return connection_run(ctx, writer,
                          "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=1000;");
}

static bool is_usable(struct ctx *ctx, struct connection *writer)
{
    int64_t version = 0, finished = 0;
    return writer && writer_settle(ctx, writer) && state_get(ctx, writer, "schema", &version) &&
           state_get(ctx, writer, "finished", &finished) && version == form() && finished == 1;
}

struct library *library_open(struct ctx *ctx, const char *path)
{
    struct connection *writer = access(path, F_OK) == 0 ? connection_open(ctx, path, true) : NULL;
    if (is_usable(ctx, writer))
        return library_new(writer, path);
    connection_close(writer);
    ctx->error = NULL;
    return ctx_fail(ctx, ERROR_NOT_FOUND, "no finished projection at %s", path);
}

struct library *library_ref(struct library *library)
{
    atomic_fetch_add(&library->users, 1);
    return library;
}

void library_unref(struct library *library)
{
    if (!library || atomic_fetch_sub(&library->users, 1) > 1)
        return;
    for (size_t i = 0; i < library->idle_count; i++)
        connection_close(library->idle[i]);
    connection_close(library->writer);
    pthread_mutex_destroy(&library->lock);
    free(library->path);
    free(library);
}

void library_remove(const char *path)
{
    static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        _cleanup_(freep) void *name = NULL;
        if (asprintf((char **)&name, "%s%s", path, endings[i]) > 0)
            unlink(name);
    }
}

bool library_position(struct ctx *ctx, struct library *library, struct position *out)
{
    int64_t sequence = 0;
    bool got = state_get(ctx, library->writer, "sequence", &sequence) &&
               state_get(ctx, library->writer, "created", &out->created_ms) &&
               state_get(ctx, library->writer, "store", &out->store);
    out->sequence = (uint64_t)sequence;
    return got;
}

bool library_begin(struct ctx *ctx, struct library *library)
{
    return statement_run(ctx, library->writer, statement_of(ctx, library->writer, "BEGIN IMMEDIATE"));
}

bool library_commit(struct ctx *ctx, struct library *library, uint64_t sequence)
{
    return state_set(ctx, library->writer, "sequence", (int64_t)sequence) &&
           statement_run(ctx, library->writer, statement_of(ctx, library->writer, "COMMIT"));
}

void library_rollback(struct library *library)
{
    if (!sqlite3_get_autocommit(library->writer->db))
        sqlite3_exec(library->writer->db, "ROLLBACK", NULL, NULL, NULL);
}

bool library_finish(struct ctx *ctx, struct library *library, struct position position)
{
    struct connection *writer = library->writer;
    if (!groups_refresh_all(ctx, library))
        return false;
    library->building = false;
    /* First all of it on the disk, then the word that it is all. */
    return connection_run(ctx, writer, "PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE") &&
           state_set(ctx, writer, "created", position.created_ms) && state_set(ctx, writer, "store", position.store) &&
           state_set(ctx, writer, "finished", 1) && library_commit(ctx, library, position.sequence) &&
           writer_settle(ctx, writer);
}

static int past_deadline(void *ctx)
{
    return ctx_left_ms(ctx, 1) == 0;
}

struct connection *library_reader(struct ctx *ctx, struct library *library)
{
    struct connection *reader = NULL;
    pthread_mutex_lock(&library->lock);
    if (library->idle_count > 0)
        reader = library->idle[--library->idle_count];
    pthread_mutex_unlock(&library->lock);
    if (!reader)
        reader = connection_open(ctx, library->path, false);
    if (reader)
        sqlite3_progress_handler(reader->db, PROGRESS_STEPS, past_deadline, ctx);
    return reader;
}

void library_reader_done(struct library *library, struct connection *reader)
{
    sqlite3_progress_handler(reader->db, 0, NULL, NULL);
    pthread_mutex_lock(&library->lock);
    bool kept = library->idle_count < READERS_KEPT && !reader->broken;
    if (kept)
        library->idle[library->idle_count++] = reader;
    pthread_mutex_unlock(&library->lock);
    if (!kept)
        connection_close(reader);
}

void bind_record(struct ctx *ctx, sqlite3_stmt *statement, int at, const struct field *fields, const void *record)
{
    bson_t doc = BSON_INITIALIZER;
    record_to_bson(&doc, fields, record);
    const char *bytes = arena_memdup(&ctx->arena, bson_get_data(&doc), doc.len);
    sqlite3_bind_blob(statement, at, bytes, (int)doc.len, SQLITE_STATIC);
    bson_destroy(&doc);
}

bool column_record(struct ctx *ctx, sqlite3_stmt *statement, int at, const struct field *fields, void *out)
{
    bson_t doc;
    const void *bytes = sqlite3_column_blob(statement, at);
    if (!bytes || !bson_init_static(&doc, bytes, (size_t)sqlite3_column_bytes(statement, at)))
        return ctx_fail(ctx, ERROR_INTERNAL, "the projection holds what is no record");
    return record_from_bson(ctx, &doc, fields, out);
}
