/* Reading the embedded store: any thread, each with a connection of the pool. A page is one statement, so one snapshot.
 */
#include "store/embedded.h"
#include "store/wait.h"

#include <stdio.h>

enum { READERS_MAX = 16 };

struct readers {
    pthread_mutex_t lock;
    pthread_cond_t given;
    const char *path;
    struct connection *idle[READERS_MAX];
    size_t idle_count;
    size_t open;
};

struct readers *readers_create(const char *path)
{
    struct readers *readers = calloc(1, sizeof *readers);
    if (!readers)
        abort();
    readers->path = path;
    pthread_mutex_init(&readers->lock, NULL);
    wait_condition(&readers->given);
    return readers;
}

void readers_destroy(struct readers *readers)
{
    if (!readers)
        return;
    for (size_t i = 0; i < readers->idle_count; i++)
        connection_close(readers->idle[i]);
    pthread_cond_destroy(&readers->given);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}

/* An idle connection, or NULL and the right to open one, or false: the deadline has passed. */
static bool readers_wait(struct ctx *ctx, struct readers *readers, struct connection **out)
{
    struct timespec until = wait_until(ctx);
    int waited = 0;
    pthread_mutex_lock(&readers->lock);
    while (!readers->idle_count && readers->open == READERS_MAX && waited == 0)
        waited = pthread_cond_timedwait(&readers->given, &readers->lock, &until);
    bool free_one = readers->idle_count || readers->open < READERS_MAX;
    *out = readers->idle_count ? readers->idle[--readers->idle_count] : NULL;
    if (free_one && !*out)
        readers->open++;
    pthread_mutex_unlock(&readers->lock);
    return free_one;
}

struct connection *readers_take(struct ctx *ctx, struct readers *readers)
{
    struct connection *connection;
    if (ctx_left_ms(ctx, 1) == 0 || !readers_wait(ctx, readers, &connection))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store did not answer in time");
    if (!connection)
        connection = connection_open(ctx, readers->path, false);
    if (!connection)
        readers_give(readers, NULL);
    return connection;
}

/* A connection whose statement failed is not used again. */
void readers_give(struct readers *readers, struct connection *connection)
{
    bool keep = connection && !connection->broken;
    if (!keep)
        connection_close(connection);
    pthread_mutex_lock(&readers->lock);
    if (keep)
        readers->idle[readers->idle_count++] = connection;
    else
        readers->open--;
    pthread_cond_signal(&readers->given);
    pthread_mutex_unlock(&readers->lock);
}

static bool give_row(struct ctx *ctx, const struct sink *sink, size_t at, sqlite3_stmt *statement, const char *id)
{
    bson_t fields;
    const void *data = sqlite3_column_blob(statement, 1);
    int size = sqlite3_column_bytes(statement, 1);
    if (!data || !bson_init_static(&fields, data, (size_t)size))
        return ctx_fail(ctx, ERROR_INTERNAL, "%s is damaged in the store", id);
    struct row row = { .id = id, .version = sqlite3_column_int64(statement, 0), .fields = &fields };
    return sink->row(ctx, sink->self, at, &row);
}

static sqlite3_stmt *get_statement(struct ctx *ctx, struct connection *connection, const struct table *table)
{
    uint64_t key = statement_key(STATEMENT_GET, table->number, 0);
    sqlite3_stmt *statement = statement_kept(connection, key);
    if (statement)
        return statement;
    return statement_prepare(ctx, connection, key,
                             arena_printf(&ctx->arena, "SELECT v, d FROM \"d:%s\" WHERE id = ?1", table->of->name));
}

static bool get_one(struct ctx *ctx, struct connection *connection, const struct table *table, const char *id,
                    size_t at, const struct sink *sink)
{
    _cleanup_(statement_leave) sqlite3_stmt *statement = get_statement(ctx, connection, table);
    if (!statement)
        return false;
    bind_text(statement, 1, id);
    int step = statement_step(ctx, connection, statement);
    return step == SQLITE_ROW ? give_row(ctx, sink, at, statement, id) : step == SQLITE_DONE;
}

static bool get_all(struct ctx *ctx, struct connection *connection, const struct table *table, const char *const *ids,
                    size_t count, const struct sink *sink)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] && !get_one(ctx, connection, table, ids[i], i, sink))
            return false;
    return true;
}

bool embedded_get(struct ctx *ctx, struct backend *self, const struct table *table, const char *const *ids,
                  size_t count, const struct sink *sink)
{
    struct embedded *embedded = (struct embedded *)self;
    struct connection *connection = readers_take(ctx, embedded->readers);
    if (!connection)
        return false;
    /* One snapshot, and the file's lock taken once. */
    bool ok = count == 1 || statement_run(ctx, connection, statement_of(ctx, connection, "BEGIN"));
    ok = ok && get_all(ctx, connection, table, ids, count, sink);
    if (count != 1 && !statement_run(ctx, connection, statement_of(ctx, connection, "COMMIT")))
        ok = false;
    readers_give(embedded->readers, connection);
    return ok;
}

void columns(struct buf *sql, size_t fields, const char *each, const char *between)
{
    for (size_t i = 0; i < fields; i++) {
        if (i)
            buf_text(sql, between);
        for (const char *c = each; *c; c++)
            if (*c == '#')
                buf_printf(sql, "%zu", i);
            else
                buf_char(sql, *c);
    }
}

/* The shape of a scan: all that its text depends on besides the index. */
static uint64_t shape_of(const struct query *query)
{
    uint64_t index = query->index ? query->number + 1 : 0;
    return index << 16 | query->equals << 8 | (uint64_t)(query->from != NULL) << 3 |
           (uint64_t)(query->to != NULL) << 2 | (uint64_t)query->descending << 1 | (query->after_id != NULL);
}

/* The columns after the fixed ones, id last; each is `before` and the name. */
static void remaining(struct buf *sql, const struct query *query, const char *after)
{
    for (size_t i = query->equals; i < query->fields; i++)
        buf_printf(sql, "i.k%zu%s, ", i, after);
    buf_printf(sql, "i.id%s", after);
}

static void bounds(struct buf *sql, const struct query *query)
{
    size_t left = query->fields - query->equals;
    char next[16] = "i.id";
    if (left)
        snprintf(next, sizeof next, "i.k%zu", query->equals);
    for (size_t i = 0; i < query->equals; i++)
        buf_printf(sql, " AND i.k%zu = ?", i);
    /* The position lies within the bounds, so it stands for the one it is nearer to. */
    if (query->from && (query->descending || !query->after_id))
        buf_printf(sql, " AND %s >= ?", next);
    if (query->to && (!query->descending || !query->after_id))
        buf_printf(sql, " AND %s < ?", next);
    if (query->after_id) {
        buf_text(sql, " AND (");
        remaining(sql, query, "");
        buf_printf(sql, ") %c (", query->descending ? '<' : '>');
        for (size_t i = 0; i < left; i++)
            buf_text(sql, "?, ");
        buf_text(sql, "?)");
    }
}

static const char *scan_sql(struct ctx *ctx, const struct query *query)
{
    struct buf sql = BUF(&ctx->arena);
    const char *of = query->table->of->name;
    if (query->index)
        buf_printf(&sql, "SELECT d.v, d.d, d.id FROM \"i:%s:%s\" i CROSS JOIN \"d:%s\" d ON d.n = i.n WHERE 1", of,
                   query->index->name, of);
    else
        buf_printf(&sql, "SELECT i.v, i.d, i.id FROM \"d:%s\" i WHERE 1", of);
    bounds(&sql, query);
    buf_text(&sql, " ORDER BY ");
    remaining(&sql, query, query->descending ? " DESC" : "");
    buf_text(&sql, " LIMIT ?");
    return sql.data;
}

static sqlite3_stmt *scan_statement(struct ctx *ctx, struct connection *connection, const struct query *query)
{
    uint64_t key = statement_key(STATEMENT_SCAN, query->table->number, shape_of(query));
    sqlite3_stmt *statement = statement_kept(connection, key);
    return statement ? statement : statement_prepare(ctx, connection, key, scan_sql(ctx, query));
}

/* In the order of bounds(). */
static void scan_bind(sqlite3_stmt *statement, const struct query *query)
{
    int at = 1;
    for (size_t i = 0; i < query->equals; i++)
        bind_key(statement, at++, &query->equal[i]);
    if (query->from && (query->descending || !query->after_id))
        bind_key(statement, at++, query->from);
    if (query->to && (!query->descending || !query->after_id))
        bind_key(statement, at++, query->to);
    for (size_t i = query->equals; query->after_id && i < query->fields; i++)
        bind_key(statement, at++, &query->after[i - query->equals]);
    if (query->after_id)
        bind_text(statement, at++, query->after_id);
    sqlite3_bind_int64(statement, at, (int64_t)query->limit);
}

static bool scan_with(struct ctx *ctx, struct connection *connection, const struct query *query,
                      const struct sink *sink)
{
    _cleanup_(statement_leave) sqlite3_stmt *statement = scan_statement(ctx, connection, query);
    if (!statement)
        return false;
    scan_bind(statement, query);
    int step;
    for (size_t at = 0; (step = statement_step(ctx, connection, statement)) == SQLITE_ROW; at++)
        if (!give_row(ctx, sink, at, statement, (const char *)sqlite3_column_text(statement, 2)))
            return false;
    return step == SQLITE_DONE;
}

bool embedded_scan(struct ctx *ctx, struct backend *self, const struct query *query, const struct sink *sink)
{
    struct embedded *embedded = (struct embedded *)self;
    struct connection *connection = readers_take(ctx, embedded->readers);
    if (!connection)
        return false;
    bool ok = scan_with(ctx, connection, query, sink);
    readers_give(embedded->readers, connection);
    return ok;
}
