#pragma once
/* One SQLite connection with its prepared statements kept. Used by one thread at a time. */
#include "base/cleanup.h"
#include "store/store.h"

#include <sqlite3.h>

enum { STATEMENTS_MAX = 512 }; /* a power of two */

struct connection {
    sqlite3 *db;
    bool broken;          /* a statement failed in a way that ends the transaction */
    enum error_code code; /* of the last such failure, ... */
    char reason[200];     /* ... for the log */
    struct kept {
        uint64_t key;
        sqlite3_stmt *statement;
    } kept[STATEMENTS_MAX];
    size_t count;
};

/* What a kept statement is of; with the numbers of table and index it makes its key. */
enum statement {
    STATEMENT_GET = 1,
    STATEMENT_SCAN,
    STATEMENT_FIND,
    STATEMENT_INSERT,
    STATEMENT_UPDATE,
    STATEMENT_DELETE,
    STATEMENT_TAKEN,
    STATEMENT_ENTER,
    STATEMENT_LEAVE,
    STATEMENT_OF_TEXT, /* a fixed text: the key is its address */
};

struct connection *connection_open(struct ctx *ctx, const char *path, bool writes);
void connection_close(struct connection *connection);

uint64_t statement_key(enum statement statement, uint64_t a, uint64_t b);
/* NULL: none is kept under this key. */
sqlite3_stmt *statement_kept(struct connection *connection, uint64_t key);
sqlite3_stmt *statement_prepare(struct ctx *ctx, struct connection *connection, uint64_t key, const char *sql);
/* `sql` is a literal that stays where it is: kept under its address. */
sqlite3_stmt *statement_of(struct ctx *ctx, struct connection *connection, const char *sql);

/* Binds parameters 1.. */
void bind_text(sqlite3_stmt *statement, int at, const char *text);
void bind_key(sqlite3_stmt *statement, int at, const struct key *key);
const char *column_text(struct ctx *ctx, sqlite3_stmt *statement, int at); /* in the arena */

/* SQLITE_ROW or SQLITE_DONE; anything else is 0 and an error: UNAVAILABLE or DISK_FULL, the reason as its cause. */
int statement_step(struct ctx *ctx, struct connection *connection, sqlite3_stmt *statement);
/* Steps to the end and resets. */
bool statement_run(struct ctx *ctx, struct connection *connection, sqlite3_stmt *statement);
/* Text without parameters and results, several statements; not kept. */
bool connection_run(struct ctx *ctx, struct connection *connection, const char *sql);
void connection_fail(struct ctx *ctx, const struct connection *connection);

/* `_cleanup_(statement_leave)`: the statement holds no transaction after its scope. */
static inline void statement_leave(sqlite3_stmt **statement)
{
    if (*statement)
        sqlite3_reset(*statement);
}
