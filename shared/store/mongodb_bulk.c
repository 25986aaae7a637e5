/*
 * Many writes in few round trips: inserts and simple updates of a collection go
 * in one command each. What such a command leaves open is written one by one,
 * which finds out the truth.
 */
#include "store/mongodb.h"

#include <stdlib.h>
#include <string.h>

/* Changes of one kind and collection on their way. */
struct bulk {
    struct ctx *ctx;
    struct mongodb *mongodb;
    const char *collection;
    struct declarations declared;
    struct change **changes;
    bool *done;
    size_t count;
};

static bool write_alone(struct ctx *ctx, struct mongodb *mongodb, struct change *change)
{
    struct error *before = ctx->error;
    if (!mongodb_write_one(ctx, mongodb, change))
        change->error = ctx->error;
    ctx->error = before;
    return !change->error || change->error->code != ERROR_UNAVAILABLE;
}

static bool append_insert(struct bulk *bulk, const struct change *change, bson_t *out)
{
    return document_insert(bulk->ctx, &bulk->declared, change, out);
}

static bool append_update(struct bulk *bulk, const struct change *change, bson_t *out)
{
    bson_t filter, gone, update = BSON_INITIALIZER;
    BSON_APPEND_DOCUMENT_BEGIN(out, "q", &filter);
    BSON_APPEND_UTF8(&filter, "_id", change->id);
    BSON_APPEND_INT64(&filter, "v", change->version);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "gone", &gone);
    BSON_APPEND_BOOL(&gone, "$exists", false);
    bson_append_document_end(&filter, &gone);
    bson_append_document_end(out, &filter);
    bool ok = document_update(bulk->ctx, &bulk->declared, change, NULL, &update);
    BSON_APPEND_DOCUMENT(out, "u", &update);
    bson_destroy(&update);
    return ok;
}

/* Marks what a reply says was not done. */
static void note_errors(struct bulk *bulk, size_t first, size_t count, const bson_t *reply)
{
    bson_iter_t at, errors, index;
    for (size_t i = 0; i < count; i++)
        bulk->done[first + i] = true;
    if (!bson_iter_init_find(&at, reply, "writeErrors") || !bson_iter_recurse(&at, &errors))
        return;
    while (bson_iter_next(&errors)) {
        if (!bson_iter_recurse(&errors, &index) || !bson_iter_find(&index, "index"))
            continue;
        size_t place = (size_t)bson_iter_as_int64(&index);
        if (place < count)
            bulk->done[first + place] = false;
    }
}

static int64_t count_of(const bson_t *reply)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, reply, "n") ? bson_iter_as_int64(&at) : 0;
}

/* How one kind of write is sent together. */
struct shape {
    const char *command, *list;
    bool (*append)(struct bulk *bulk, const struct change *change, bson_t *out);
};

/* Sends changes from `first` on, as many as fit; returns how many. *n: how many the server says were done, -1 = not
 * known. */
static size_t send_some(struct bulk *bulk, const struct shape *shape, size_t first, int64_t *n)
{
    _cleanup_(bson_destroyp) bson_t *command = bson_new();
    bson_t list, reply;
    size_t count = 0;
    bool ok = true;
    BSON_APPEND_UTF8(command, shape->command, bulk->collection);
    BSON_APPEND_BOOL(command, "ordered", false);
    BSON_APPEND_ARRAY_BEGIN(command, shape->list, &list);
    size_t most = bulk->count - first < bulk->mongodb->batch_max ? bulk->count - first : bulk->mongodb->batch_max;
    for (; ok && count < most && (!count || list.len < COMMAND_BYTES / 2); count++) {
        char room[16];
        const char *at = item_name((uint32_t)count, room);
        bson_t item;
        BSON_APPEND_DOCUMENT_BEGIN(&list, at, &item);
        ok = shape->append(bulk, bulk->changes[first + count], &item);
        bson_append_document_end(&list, &item);
    }
    bson_append_array_end(command, &list);
    *n = 0;
    if (!ok) /* one of them cannot be: said when it is written alone */
        return count;
    if (mongodb_command(bulk->ctx, bulk->mongodb, command, true, &reply) == DONE_WELL) {
        *n = count_of(&reply);
        note_errors(bulk, first, count, &reply);
    } else {
        *n = -1;
    }
    bson_destroy(&reply);
    return count;
}

static void send_inserts(struct bulk *bulk)
{
    static const struct shape shape = { "insert", "documents", append_insert };
    int64_t n;
    for (size_t first = 0; first < bulk->count;)
        first += send_some(bulk, &shape, first, &n); /* an insert done already finds itself when it is tried again */
}

struct found {
    struct bulk *bulk;
    size_t first, count;
    size_t ours;
    bool *there; /* by change: of a version beyond the one it was made for, and not by it */
};

static bool compare_write(struct ctx *ctx, void *self, const bson_t *document)
{
    struct found *found = self;
    struct stored stored;
    if (!stored_read(ctx, document, &stored))
        return false;
    for (size_t i = found->first; i < found->first + found->count; i++) {
        const struct change *change = found->bulk->changes[i];
        if (strcmp(change->id, stored.id) != 0)
            continue;
        bool ours = stored.w && strcmp(stored.w, change->w) == 0;
        found->bulk->done[i] = ours;
        found->ours += ours;
        found->there[i] = !ours && stored.version > change->version;
    }
    return true;
}

static bson_t *ids_of(const struct bulk *bulk, size_t first, size_t count)
{
    bson_t *filter = bson_new(), in, list;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        char room[16];
        const char *at = item_name((uint32_t)i, room);
        BSON_APPEND_UTF8(&list, at, bulk->changes[first + i]->id);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return filter;
}

/*
 * A reply counts matches and does not name them: the documents do, by their w.
 * Where one was changed again since, it may hide a match that was counted;
 * then it cannot be told what became of it.
 */
static void settle_updates(struct bulk *bulk, size_t first, size_t count, int64_t n)
{
    struct ctx *ctx = bulk->ctx;
    struct found found = { bulk, first, count, 0, arena_array(&ctx->arena, bool, bulk->count) };
    _cleanup_(bson_destroyp) bson_t *filter = ids_of(bulk, first, count), *opts = bson_new();
    memset(bulk->done + first, 0, count * sizeof *bulk->done);
    struct error *before = ctx->error;
    bool read = mongodb_find(ctx, bulk->mongodb, bulk->collection, filter, opts, compare_write, &found);
    ctx->error = before;
    if (read && n == (int64_t)found.ours)
        return;
    for (size_t i = first; i < first + count; i++)
        if (!bulk->done[i] && (!read || found.there[i])) {
            ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: it is not known whether it was written", bulk->collection);
            bulk->changes[i]->error = ctx->error;
            ctx->error = before;
        }
}

static void send_updates(struct bulk *bulk)
{
    static const struct shape shape = { "update", "updates", append_update };
    for (size_t first = 0, count; first < bulk->count; first += count) {
        int64_t n;
        count = send_some(bulk, &shape, first, &n);
        if (n != (int64_t)count)
            settle_updates(bulk, first, count, n);
    }
}

/* What can be sent together: inserts, and updates whose keys are known without the old document. */
static bool is_simple(const struct change *change, const struct declarations *declared, enum write_kind kind)
{
    return change->kind == kind &&
           (kind == WRITE_INSERT || (kind == WRITE_UPDATE && !document_needs_old(declared, change)));
}

static bool send_kind(struct ctx *ctx, struct mongodb *mongodb, const struct table *table, enum write_kind kind,
                      struct change *changes, size_t count, bool *done)
{
    struct bulk bulk = { .ctx = ctx, .mongodb = mongodb, .collection = table->of->name };
    if (!catalog_of(ctx, mongodb, bulk.collection, &bulk.declared))
        return false;
    bulk.changes = arena_array(&ctx->arena, struct change *, count);
    bulk.done = arena_array(&ctx->arena, bool, count);
    for (size_t i = 0; i < count; i++)
        if (changes[i].table == table && is_simple(&changes[i], &bulk.declared, kind))
            bulk.changes[bulk.count++] = &changes[i];
    if (bulk.count < 2)
        return true;
    struct error *before = ctx->error;
    if (kind == WRITE_INSERT)
        send_inserts(&bulk);
    else
        send_updates(&bulk);
    ctx->error = before;
    for (size_t i = 0; i < bulk.count; i++)
        done[bulk.changes[i] - changes] = bulk.done[i] || bulk.changes[i]->error;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct change *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

/* Two writes of one document keep their order: then nothing is sent together. */
static bool has_repeats(struct ctx *ctx, struct change *changes, size_t count)
{
    struct change **sorted = arena_array(&ctx->arena, struct change *, count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &changes[i];
    qsort(sorted, count, sizeof *sorted, by_id);
    for (size_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0 && sorted[i - 1]->table == sorted[i]->table)
            return true;
    return false;
}

static bool send_together(struct ctx *ctx, struct mongodb *mongodb, struct change *changes, size_t count, bool *done)
{
    for (size_t t = 0; t < mongodb->tables->count; t++) {
        const struct table *table = &mongodb->tables->items[t];
        size_t of_table = 0;
        for (size_t i = 0; i < count; i++)
            of_table += changes[i].table == table;
        if (of_table > 1 && (!send_kind(ctx, mongodb, table, WRITE_INSERT, changes, count, done) ||
                             !send_kind(ctx, mongodb, table, WRITE_UPDATE, changes, count, done)))
            return false;
    }
    return true;
}

bool mongodb_write(struct ctx *ctx, struct backend *self, struct change *changes, size_t count)
{
    struct mongodb *mongodb = (struct mongodb *)self;
    bool *done = arena_array(&ctx->arena, bool, count);
    if (count > 1 && !has_repeats(ctx, changes, count) && !send_together(ctx, mongodb, changes, count, done))
        return false;
    bool there = true;
    for (size_t i = 0; i < count; i++) {
        if (done[i])
            continue;
        if (there)
            there = write_alone(ctx, mongodb, &changes[i]);
        else /* it was away for the one before: not again a whole wait for each */
            changes[i].error = changes[i - 1].error;
    }
    return true;
}
