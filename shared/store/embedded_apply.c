/*
 * One change inside the writer's transaction. All that may be refused is
 * checked before anything is written, so a refusal leaves no trace and the
 * rest of the group goes on.
 */
#include "store/embedded.h"
#include "store/keys.h"

#include <string.h>

/* What a document has in one index. */
struct standing {
    const struct declared *index;
    struct entry *entries;
    size_t count;
};

struct apply {
    struct ctx *ctx;
    struct connection *connection;
    const struct declarations *declared;
    struct change *change;
    int64_t n; /* the row of the document */
    int64_t version;
    bson_t old;
};

static sqlite3_stmt *of_table(struct apply *apply, enum statement statement, const char *format)
{
    const struct table *table = apply->change->table;
    uint64_t key = statement_key(statement, table->number, 0);
    sqlite3_stmt *kept = statement_kept(apply->connection, key);
    if (kept)
        return kept;
    struct buf sql = BUF(&apply->ctx->arena);
    for (const char *c = format; *c; c++)
        if (*c == '%')
            buf_printf(&sql, "\"d:%s\"", table->of->name);
        else
            buf_char(&sql, *c);
    return statement_prepare(apply->ctx, apply->connection, key, sql.data);
}

static const char *index_sql(struct apply *apply, enum statement statement, const struct declared *index)
{
    struct buf sql = BUF(&apply->ctx->arena);
    buf_text(&sql, statement == STATEMENT_TAKEN   ? "SELECT id FROM"
                   : statement == STATEMENT_ENTER ? "INSERT INTO"
                                                  : "DELETE FROM");
    buf_printf(&sql, " \"i:%s:%s\" ", apply->change->table->of->name, index->name);
    if (statement == STATEMENT_ENTER) {
        buf_text(&sql, "VALUES (");
        columns(&sql, index->fields, "?", ", ");
        buf_text(&sql, ", ?, ?) ON CONFLICT DO NOTHING");
    } else {
        buf_text(&sql, "WHERE ");
        columns(&sql, index->fields, "k# = ?", " AND ");
        buf_text(&sql, statement == STATEMENT_LEAVE ? " AND id = ?" : "");
    }
    return sql.data;
}

/* A statement of an index with its keys bound; *at is the next parameter. */
static sqlite3_stmt *of_index(struct apply *apply, enum statement statement, const struct declared *index,
                              const struct entry *entry, int *at)
{
    uint64_t key = statement_key(statement, 0, (uint64_t)index->number);
    sqlite3_stmt *kept = statement_kept(apply->connection, key);
    if (!kept)
        kept = statement_prepare(apply->ctx, apply->connection, key, index_sql(apply, statement, index));
    *at = 1;
    for (size_t i = 0; kept && i < index->fields; i++)
        bind_key(kept, (*at)++, &entry->keys[i]);
    return kept;
}

/* ERROR_CONFLICT when another document has the key. */
static bool check_free(struct apply *apply, const struct standing *standing)
{
    if (!standing->index->unique)
        return true;
    for (size_t i = 0; i < standing->count; i++) {
        int at;
        _cleanup_(statement_leave)
            sqlite3_stmt *taken = of_index(apply, STATEMENT_TAKEN, standing->index, &standing->entries[i], &at);
        int step = taken ? statement_step(apply->ctx, apply->connection, taken) : 0;
        if (!step)
            return false;
        if (step == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(taken, 0), apply->change->id) != 0)
            return ctx_fail(apply->ctx, ERROR_CONFLICT, "%s: %s is taken", apply->change->table->of->name,
                            standing->index->name);
    }
    return true;
}

static bool enter(struct apply *apply, const struct standing *standing)
{
    for (size_t i = 0; i < standing->count; i++) {
        int at;
        sqlite3_stmt *statement = of_index(apply, STATEMENT_ENTER, standing->index, &standing->entries[i], &at);
        if (!statement)
            return false;
        bind_text(statement, at, apply->change->id);
        sqlite3_bind_int64(statement, at + 1, apply->n);
        if (!statement_run(apply->ctx, apply->connection, statement))
            return false;
    }
    return true;
}

static bool leave(struct apply *apply, const struct standing *standing)
{
    for (size_t i = 0; i < standing->count; i++) {
        int at;
        sqlite3_stmt *statement = of_index(apply, STATEMENT_LEAVE, standing->index, &standing->entries[i], &at);
        if (!statement)
            return false;
        bind_text(statement, at, apply->change->id);
        if (!statement_run(apply->ctx, apply->connection, statement))
            return false;
    }
    return true;
}

static bool stand(struct apply *apply, const struct declared *index, const bson_t *fields, struct standing *out)
{
    out->index = index;
    return entries_of(apply->ctx, index, fields, &out->entries, &out->count);
}

/* As it stands now. A key that cannot be is of an index declared later: it never was entered. */
static bool stand_now(struct apply *apply, const struct declared *index, struct standing *out)
{
    return stand(apply, index, &apply->old, out) || ctx_forgive(apply->ctx, ERROR_INVALID);
}

static bool carry_events(struct apply *apply, int64_t version)
{
    for (size_t i = 0; i < apply->change->event_count; i++) {
        const struct pending *event = &apply->change->events[i];
        sqlite3_stmt *statement = statement_of(apply->ctx, apply->connection,
                                               "INSERT INTO outbox (event, type, at, json) VALUES (?, ?, ?, ?)");
        if (!statement)
            return false;
        bind_text(statement, 1, event->id);
        bind_text(statement, 2, event->type);
        sqlite3_bind_int64(statement, 3, event->at_ms);
        bind_text(statement, 4, pending_json(&apply->ctx->arena, event, version));
        if (!statement_run(apply->ctx, apply->connection, statement))
            return false;
    }
    return true;
}

/* Reads the stored document. *found false: there is none. */
static bool find(struct apply *apply, bool *found)
{
    _cleanup_(statement_leave)
        sqlite3_stmt *statement = of_table(apply, STATEMENT_FIND, "SELECT n, v, d FROM % WHERE id = ?");
    if (!statement)
        return false;
    bind_text(statement, 1, apply->change->id);
    int step = statement_step(apply->ctx, apply->connection, statement);
    *found = step == SQLITE_ROW;
    if (step != SQLITE_ROW)
        return step != 0;
    apply->n = sqlite3_column_int64(statement, 0);
    apply->version = sqlite3_column_int64(statement, 1);
    size_t size = (size_t)sqlite3_column_bytes(statement, 2);
    const void *data = arena_memdup(&apply->ctx->arena, sqlite3_column_blob(statement, 2), size);
    return bson_init_static(&apply->old, data, size) ||
           ctx_fail(apply->ctx, ERROR_INTERNAL, "%s is damaged in the store", apply->change->id);
}

/* Finds the document and checks that it is of the version that the change was made for. */
static bool find_version(struct apply *apply)
{
    bool found;
    if (!find(apply, &found))
        return false;
    const char *of = apply->change->table->of->name;
    if (!found)
        return ctx_fail(apply->ctx, ERROR_NOT_FOUND, "%s: no such document", of);
    if (apply->change->version && apply->change->version != apply->version)
        return ctx_fail(apply->ctx, ERROR_CONFLICT, "%s: it was changed meanwhile", of);
    return true;
}

static bool store_document(struct apply *apply, const bson_t *fields)
{
    if (fields->len > DOCUMENT_MAX)
        return ctx_fail(apply->ctx, ERROR_TOO_LARGE, "%s: the document is too large", apply->change->table->of->name);
    sqlite3_stmt *statement = of_table(apply, STATEMENT_UPDATE, "UPDATE % SET v = ?, d = ? WHERE n = ?");
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, apply->version + 1);
    sqlite3_bind_blob(statement, 2, bson_get_data(fields), (int)fields->len, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, apply->n);
    return statement_run(apply->ctx, apply->connection, statement);
}

static bool insert_document(struct apply *apply, const bson_t *fields)
{
    sqlite3_stmt *statement = of_table(apply, STATEMENT_INSERT,
                                       "INSERT INTO % (id, v, d) VALUES (?, 1, ?) ON CONFLICT DO NOTHING");
    if (!statement)
        return false;
    bind_text(statement, 1, apply->change->id);
    sqlite3_bind_blob(statement, 2, bson_get_data(fields), (int)fields->len, SQLITE_STATIC);
    if (!statement_run(apply->ctx, apply->connection, statement))
        return false;
    if (!sqlite3_changes(apply->connection->db))
        return ctx_fail(apply->ctx, ERROR_CONFLICT, "%s: the id is taken", apply->change->table->of->name);
    apply->n = sqlite3_last_insert_rowid(apply->connection->db);
    return true;
}

static bool apply_insert(struct apply *apply)
{
    size_t count = apply->declared->count;
    struct standing *standings = arena_array(&apply->ctx->arena, struct standing, count);
    for (size_t i = 0; i < count; i++)
        if (!stand(apply, &apply->declared->items[i], apply->change->set, &standings[i]) ||
            !check_free(apply, &standings[i]))
            return false;
    if (!insert_document(apply, apply->change->set))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!enter(apply, &standings[i]))
            return false;
    return carry_events(apply, 1);
}

/* An index whose entries change: from, to. */
struct move {
    struct standing from, to;
};

static bool moves_of(struct apply *apply, const bson_t *fields, struct move *moves, size_t *count)
{
    for (size_t i = 0; i < apply->declared->count; i++) {
        const struct declared *index = &apply->declared->items[i];
        if (!index_touched(index, apply->change->gone))
            continue;
        struct move *move = &moves[*count];
        *move = (struct move){ 0 };
        if (!stand_now(apply, index, &move->from) || !stand(apply, index, fields, &move->to))
            return false;
        if (entries_equal(index, move->from.entries, move->from.count, move->to.entries, move->to.count))
            continue;
        if (!check_free(apply, &move->to))
            return false;
        (*count)++;
    }
    return true;
}

static bool update_with(struct apply *apply, const bson_t *fields)
{
    struct move *moves = arena_array(&apply->ctx->arena, struct move, apply->declared->count);
    size_t count = 0;
    if (!moves_of(apply, fields, moves, &count) || !store_document(apply, fields))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!leave(apply, &moves[i].from) || !enter(apply, &moves[i].to))
            return false;
    return carry_events(apply, apply->version + 1);
}

static bool apply_update(struct apply *apply)
{
    if (!find_version(apply))
        return false;
    bson_t fields = BSON_INITIALIZER;
    fields_change(&fields, &apply->old, apply->change->gone, apply->change->set);
    bool ok = update_with(apply, &fields);
    bson_destroy(&fields);
    return ok;
}

static bool adjusted(struct apply *apply, bool found)
{
    struct change *change = apply->change;
    bson_iter_t at;
    int64_t now = 0;
    if (found && bson_iter_init_find(&at, &apply->old, change->field))
        now = bson_iter_as_int64(&at);
    if (__builtin_add_overflow(now, change->by, &change->after))
        return ctx_fail(apply->ctx, ERROR_INVALID, "%s: %s would overflow", change->table->of->name, change->field);
    return true;
}

static bool apply_adjust(struct apply *apply)
{
    bool found;
    if (!find(apply, &found) || !adjusted(apply, found))
        return false;
    struct change *change = apply->change;
    bson_t set = BSON_INITIALIZER, fields = BSON_INITIALIZER;
    BSON_APPEND_INT64(&set, change->field, change->after);
    change->set = &set;
    change->gone = (const char *const[]){ change->field, NULL };
    if (found)
        fields_change(&fields, &apply->old, change->gone, &set);
    bool ok = found ? update_with(apply, &fields) : apply_insert(apply);
    change->set = NULL;
    change->gone = NULL;
    bson_destroy(&set);
    bson_destroy(&fields);
    return ok;
}

static bool apply_remove(struct apply *apply)
{
    if (!find_version(apply))
        return false;
    for (size_t i = 0; i < apply->declared->count; i++) {
        struct standing standing = { 0 };
        if (!stand_now(apply, &apply->declared->items[i], &standing) || !leave(apply, &standing))
            return false;
    }
    sqlite3_stmt *statement = of_table(apply, STATEMENT_DELETE, "DELETE FROM % WHERE n = ?");
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, apply->n);
    return statement_run(apply->ctx, apply->connection, statement) && carry_events(apply, apply->version + 1);
}

static bool (*const applies[])(struct apply *apply) = {
    [WRITE_INSERT] = apply_insert,
    [WRITE_UPDATE] = apply_update,
    [WRITE_ADJUST] = apply_adjust,
    [WRITE_REMOVE] = apply_remove,
};

bool apply_change(struct ctx *ctx, struct connection *connection, const struct declarations *declared,
                  struct change *change)
{
    struct apply apply = { .ctx = ctx, .connection = connection, .declared = declared, .change = change };
    return applies[change->kind](&apply);
}
