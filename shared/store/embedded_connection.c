#include "store/embedded_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* synchronous=FULL: what is acknowledged survives a loss of power. The order matters: the others may have to wait. */
static const char *const for_all = "PRAGMA busy_timeout=5000; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;"
                                   "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;";
static const char *const for_writer = "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=4000;"
                                      "PRAGMA journal_size_limit=67108864;";
/* Read where the kernel has it, not copied: nobody makes the file shorter while it is read. Beyond the limit it is
 * copied. */
static const char *const for_reader = "PRAGMA query_only=ON; PRAGMA mmap_size=1073741824;";

/* What the system said of the database's file, or of its log. */
static int file_errno(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;
    int code = 0;
    if (sqlite3_file_control(db, "main", which, &file) == SQLITE_OK && file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code);
    return code;
}

static bool is_no_room(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

/* SQLite knows ENOSPC; a quota or a limit is an I/O error to it. */
static bool is_full(sqlite3 *db, int code)
{
    return code == SQLITE_FULL || (code == SQLITE_IOERR && (is_no_room(file_errno(db, SQLITE_FCNTL_FILE_POINTER)) ||
                                                            is_no_room(file_errno(db, SQLITE_FCNTL_JOURNAL_POINTER))));
}

static void note_failure(struct connection *connection)
{
    int code = sqlite3_errcode(connection->db);
    connection->broken = true;
    connection->code = is_full(connection->db, code & 0xff) ? ERROR_DISK_FULL : ERROR_UNAVAILABLE;
    snprintf(connection->reason, sizeof connection->reason, "sqlite %d: %s", sqlite3_extended_errcode(connection->db),
             sqlite3_errmsg(connection->db));
}

void connection_fail(struct ctx *ctx, const struct connection *connection)
{
    ctx_fail(ctx, ERROR_INTERNAL, "%s", connection->reason);
    ctx_fail(ctx, connection->code,
             connection->code == ERROR_DISK_FULL ? "there is no room left" : "the store is not available");
}

struct connection *connection_open(struct ctx *ctx, const char *path, bool writes)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &connection->db, flags, NULL) != SQLITE_OK) {
        note_failure(connection);
        connection_fail(ctx, connection);
    } else if (connection_run(ctx, connection, for_all) &&
               connection_run(ctx, connection, writes ? for_writer : for_reader)) {
        return connection;
    }
    connection_close(connection);
    return NULL;
}

static void forget_statements(struct connection *connection)
{
    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        sqlite3_finalize(connection->kept[i].statement);
    memset(connection->kept, 0, sizeof connection->kept);
    connection->count = 0;
}

void connection_close(struct connection *connection)
{
    if (!connection)
        return;
    forget_statements(connection);
    sqlite3_close(connection->db);
    free(connection);
}

uint64_t statement_key(enum statement statement, uint64_t a, uint64_t b)
{
    return (uint64_t)statement << 56 | (a & 0xffffff) << 32 | (b & 0xffffffff);
}

static struct kept *slot_of(struct connection *connection, uint64_t key)
{
    size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % STATEMENTS_MAX;
    while (connection->kept[at].statement && connection->kept[at].key != key)
        at = (at + 1) % STATEMENTS_MAX;
    return &connection->kept[at];
}

sqlite3_stmt *statement_kept(struct connection *connection, uint64_t key)
{
    return slot_of(connection, key)->statement;
}

sqlite3_stmt *statement_prepare(struct ctx *ctx, struct connection *connection, uint64_t key, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        note_failure(connection);
        connection_fail(ctx, connection);
        return NULL;
    }
    if (connection->count >= STATEMENTS_MAX / 4 * 3)
        forget_statements(connection); /* bounded; a process has far fewer kinds of statements */
    *slot_of(connection, key) = (struct kept){ key, statement };
    connection->count++;
    return statement;
}

sqlite3_stmt *statement_of(struct ctx *ctx, struct connection *connection, const char *sql)
{
    uint64_t key = statement_key(STATEMENT_OF_TEXT, (uintptr_t)sql >> 32, (uintptr_t)sql);
    sqlite3_stmt *statement = statement_kept(connection, key);
    return statement ? statement : statement_prepare(ctx, connection, key, sql);
}

void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

void bind_key(sqlite3_stmt *statement, int at, const struct key *key)
{
    if (key->text)
        bind_text(statement, at, key->text);
    else
        sqlite3_bind_int64(statement, at, key->integer);
}

const char *column_text(struct ctx *ctx, sqlite3_stmt *statement, int at)
{
    const void *text = sqlite3_column_text(statement, at);
    return arena_memdup(&ctx->arena, text, (size_t)sqlite3_column_bytes(statement, at));
}

int statement_step(struct ctx *ctx, struct connection *connection, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return code;
    note_failure(connection);
    connection_fail(ctx, connection);
    return 0;
}

bool statement_run(struct ctx *ctx, struct connection *connection, sqlite3_stmt *statement)
{
    if (!statement)
        return false;
    int code;
    do
        code = statement_step(ctx, connection, statement);
    while (code == SQLITE_ROW);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

bool connection_run(struct ctx *ctx, struct connection *connection, const char *sql)
{
    if (sqlite3_exec(connection->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    note_failure(connection);
    connection_fail(ctx, connection);
    return false;
}
