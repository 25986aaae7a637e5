/* The outbox of the embedded store: a table in the order of commits, and the event log. */
#include "base/text.h"
#include "store/embedded.h"

#include <string.h>

enum {
    OUTBOX_BYTES = 8 << 20, /* of one answer */
    SWEEP_MAX = 1000,
};

/* Columns: seq, event, type, json, at. */
static struct outbox_event event_row(struct ctx *ctx, sqlite3_stmt *statement)
{
    return (struct outbox_event){
        .ref = column_text(ctx, statement, 0),
        .id = column_text(ctx, statement, 1),
        .type = column_text(ctx, statement, 2),
        .json = column_text(ctx, statement, 3),
    };
}

/* *more: there are rows beyond. */
static bool read_events(struct ctx *ctx, struct connection *connection, sqlite3_stmt *statement, size_t limit,
                        struct outbox_event *out, size_t *count, const char **next)
{
    size_t bytes = 0;
    const char *last = NULL;
    for (;;) {
        int step = statement_step(ctx, connection, statement);
        if (step != SQLITE_ROW)
            return step == SQLITE_DONE;
        if (*count == limit || bytes > OUTBOX_BYTES) {
            *next = last;
            return true;
        }
        bytes += (size_t)sqlite3_column_bytes(statement, 3);
        out[(*count)++] = event_row(ctx, statement);
        last = arena_printf(&ctx->arena, "%lld.%s", (long long)sqlite3_column_int64(statement, 4), out[*count - 1].ref);
    }
}

static bool read_with(struct ctx *ctx, struct backend *self, const char *sql, const int64_t *bounds, size_t bound_count,
                      size_t limit, struct outbox_event **out, size_t *count, const char **next)
{
    struct embedded *embedded = (struct embedded *)self;
    *count = 0;
    *next = NULL;
    *out = arena_array(&ctx->arena, struct outbox_event, limit);
    struct connection *connection = readers_take(ctx, embedded->readers);
    if (!connection)
        return false;
    sqlite3_stmt *statement = statement_of(ctx, connection, sql);
    bool ok = statement != NULL;
    for (size_t i = 0; ok && i < bound_count; i++)
        sqlite3_bind_int64(statement, (int)i + 1, bounds[i]);
    ok = ok && read_events(ctx, connection, statement, limit, *out, count, next);
    statement_leave(&statement);
    readers_give(embedded->readers, connection);
    return ok;
}

bool embedded_outbox_read(struct ctx *ctx, struct backend *self, size_t limit, struct outbox_event **out, size_t *count)
{
    const char *next;
    return read_with(ctx, self, "SELECT seq, event, type, json, at FROM outbox ORDER BY seq", NULL, 0, limit, out,
                     count, &next);
}

bool embedded_outbox_log(struct ctx *ctx, struct backend *self, int64_t since_ms, const char *cursor, size_t limit,
                         struct outbox_event **out, size_t *count, const char **next)
{
    int64_t bounds[2] = { since_ms, 0 };
    if (cursor) {
        const char *dot = strchr(cursor, '.');
        char *at = arena_memdup(&ctx->arena, cursor, dot ? (size_t)(dot - cursor) : 0);
        if (!dot || !text_number(at, INT64_MAX, &bounds[0]) || !text_number(dot + 1, INT64_MAX, &bounds[1]) ||
            bounds[0] < since_ms)
            return ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list");
    }
    return read_with(ctx, self,
                     "SELECT seq, event, type, json, at FROM event_log WHERE (at, seq) > (?, ?) ORDER BY at, seq",
                     bounds, 2, limit, out, count, next);
}

struct events_done {
    const struct outbox_event *events;
    size_t count;
};

static bool done_one(struct ctx *ctx, struct connection *connection, const struct outbox_event *event, int64_t seq)
{
    const char *const log = "INSERT INTO event_log (event, type, at, json) SELECT event, type, at, json FROM outbox "
                            "WHERE seq = ? AND event = ?";
    const char *const drop = "DELETE FROM outbox WHERE seq = ? AND event = ?";
    const char *const steps[] = { event_is_secret(event->type) ? NULL : log, drop };
    for (size_t i = 0; i < 2; i++) {
        if (!steps[i])
            continue;
        sqlite3_stmt *statement = statement_of(ctx, connection, steps[i]);
        if (!statement)
            return false;
        sqlite3_bind_int64(statement, 1, seq);
        bind_text(statement, 2, event->id);
        if (!statement_run(ctx, connection, statement))
            return false;
    }
    return true;
}

static bool done_step(struct ctx *ctx, struct connection *connection, void *self)
{
    const struct events_done *done = self;
    for (size_t i = 0; i < done->count; i++) {
        int64_t seq;
        if (!text_number(done->events[i].ref, INT64_MAX, &seq))
            return ctx_fail(ctx, ERROR_INTERNAL, "\"%s\" is no place in the outbox", done->events[i].ref);
        if (!done_one(ctx, connection, &done->events[i], seq))
            return false;
    }
    return true;
}

bool embedded_outbox_done(struct ctx *ctx, struct backend *self, const struct outbox_event *events, size_t count)
{
    struct events_done done = { events, count };
    return writer_run(ctx, ((struct embedded *)self)->writer, done_step, &done);
}

struct sweeping {
    int64_t before_ms;
    size_t dropped;
};

static bool sweep_step(struct ctx *ctx, struct connection *connection, void *self)
{
    struct sweeping *sweeping = self;
    sqlite3_stmt *statement = statement_of(
        ctx, connection,
        "DELETE FROM event_log WHERE seq IN (SELECT seq FROM event_log WHERE at < ? ORDER BY at LIMIT ?)");
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, sweeping->before_ms);
    sqlite3_bind_int(statement, 2, SWEEP_MAX);
    if (!statement_run(ctx, connection, statement))
        return false;
    sweeping->dropped = (size_t)sqlite3_changes(connection->db);
    return true;
}

bool embedded_outbox_sweep(struct ctx *ctx, struct backend *self, int64_t before_ms, size_t *dropped)
{
    struct sweeping sweeping = { .before_ms = before_ms };
    if (!writer_run(ctx, ((struct embedded *)self)->writer, sweep_step, &sweeping))
        return false;
    *dropped = sweeping.dropped;
    return true;
}
