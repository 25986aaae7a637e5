/* The outbox on MongoDB: events wait in their documents, found by the sparse index on `oa`, and end in store_log. */
#include "base/text.h"
#include "store/mongodb.h"

#include <string.h>

enum {
    OUTBOX_BYTES = 8 << 20, /* of one answer */
    SWEEP_MAX = 1000,
};

static const char log_name[] = "store_log";

static const char *text_of(struct ctx *ctx, const bson_t *document, const char *name)
{
    bson_iter_t at;
    if (!bson_iter_init_find(&at, document, name) || !BSON_ITER_HOLDS_UTF8(&at))
        return "";
    return arena_strdup(&ctx->arena, bson_iter_utf8(&at, NULL));
}

static int64_t number_of(const bson_t *document, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, name) ? bson_iter_as_int64(&at) : 0;
}

/* A document with events, as it was read. */
struct waiting {
    const struct table *table;
    const char *id;
    int64_t oldest_ms;
    bson_t *events; /* the array `o` */
};

struct gathering {
    const struct table *table;
    struct waiting *items;
    size_t count, room;
    size_t bytes;
};

static bool gather(struct ctx *ctx, void *self, const bson_t *document)
{
    struct gathering *gathering = self;
    if (gathering->count == gathering->room)
        return true;
    struct waiting *item = &gathering->items[gathering->count++];
    *item = (struct waiting){ gathering->table, text_of(ctx, document, "_id"), number_of(document, "oa"), NULL };
    bson_iter_t at;
    uint32_t size;
    const uint8_t *data;
    if (bson_iter_init_find(&at, document, "o") && BSON_ITER_HOLDS_ARRAY(&at)) {
        bson_iter_array(&at, &size, &data);
        item->events = bson_new_from_data(data, size);
        gathering->bytes += size;
    }
    return true;
}

static void gathering_free(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->count; i++)
        if (gathering->items[i].events)
            bson_destroy(gathering->items[i].events);
}

static bool next_event(bson_iter_t *events, bson_t *out)
{
    uint32_t size;
    const uint8_t *data;
    if (!bson_iter_next(events) || !BSON_ITER_HOLDS_DOCUMENT(events))
        return false;
    bson_iter_document(events, &size, &data);
    return bson_init_static(out, data, size);
}

/* What is left of a document whose events are all out: nothing of a tombstone, no `o` of the others. */
static bool tidy(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *ids)
{
    int64_t count;
    _cleanup_(bson_destroyp) bson_t *tombs = BCON_NEW("_id", "{", "$in", BCON_ARRAY(ids), "}", "o", "{", "$size",
                                                      BCON_INT32(0), "}", "gone", BCON_BOOL(true));
    _cleanup_(bson_destroyp)
        bson_t *alive = BCON_NEW("_id", "{", "$in", BCON_ARRAY(ids), "}", "o", "{", "$size", BCON_INT32(0), "}", "gone",
                                 "{", "$exists", BCON_BOOL(false), "}");
    _cleanup_(bson_destroyp) bson_t *unset = BCON_NEW("$unset", "{", "o", BCON_UTF8(""), "oa", BCON_UTF8(""), "}");
    return mongodb_delete(ctx, mongodb, collection, tombs, true, &count) == DONE_WELL &&
           mongodb_update(ctx, mongodb, collection, alive, unset, true, &count) == DONE_WELL;
}

static int by_age(const void *a, const void *b)
{
    const struct waiting *x = a, *y = b;
    return (x->oldest_ms > y->oldest_ms) - (x->oldest_ms < y->oldest_ms);
}

static bool gather_all(struct ctx *ctx, struct mongodb *mongodb, size_t limit, struct gathering *gathering)
{
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("oa", "{", "$gt", BCON_INT64(0), "}");
    for (size_t i = 0; i < mongodb->tables->count && gathering->bytes < 4 * OUTBOX_BYTES; i++) {
        gathering->table = &mongodb->tables->items[i];
        _cleanup_(bson_destroyp) bson_t *opts = BCON_NEW(
            "sort", "{", "oa", BCON_INT32(1), "}", "hint", BCON_UTF8("outbox"), "limit", BCON_INT64((int64_t)limit),
            "projection", "{", "o", BCON_INT32(1), "oa", BCON_INT32(1), "}");
        if (!mongodb_find(ctx, mongodb, gathering->table->of->name, filter, opts, gather, gathering))
            return false;
    }
    qsort(gathering->items, gathering->count, sizeof *gathering->items, by_age);
    return true;
}

/* The events of a document in their order. */
static void take_events(struct ctx *ctx, const struct waiting *waiting, size_t limit, struct outbox_event *out,
                        size_t *count, size_t *bytes)
{
    bson_iter_t at;
    bson_t event;
    const char *ref = arena_printf(&ctx->arena, "%s/%s", waiting->table->of->name, waiting->id);
    bson_iter_init(&at, waiting->events);
    while (*count < limit && *bytes < OUTBOX_BYTES && next_event(&at, &event)) {
        out[(*count)++] = (struct outbox_event){
            .id = text_of(ctx, &event, "i"),
            .type = text_of(ctx, &event, "t"),
            .json = text_of(ctx, &event, "j"),
            .ref = ref,
        };
        *bytes += event.len;
    }
}

/* A crash between the steps of outbox_done left it without events. */
static bool tidy_one(struct ctx *ctx, struct mongodb *mongodb, const struct waiting *waiting)
{
    _cleanup_(bson_destroyp) bson_t *ids = BCON_NEW("0", BCON_UTF8(waiting->id));
    return tidy(ctx, mongodb, waiting->table->of->name, ids);
}

bool mongodb_outbox_read(struct ctx *ctx, struct backend *self, size_t limit, struct outbox_event **out, size_t *count)
{
    struct mongodb *mongodb = (struct mongodb *)self;
    struct gathering gathering = { .room = limit * mongodb->tables->count };
    size_t bytes = 0;
    gathering.items = arena_array(&ctx->arena, struct waiting, gathering.room);
    *out = arena_array(&ctx->arena, struct outbox_event, limit);
    *count = 0;
    bool ok = gather_all(ctx, mongodb, limit, &gathering);
    for (size_t i = 0; ok && i < gathering.count; i++) {
        const struct waiting *waiting = &gathering.items[i];
        if (waiting->events && !bson_empty(waiting->events))
            take_events(ctx, waiting, limit, *out, count, &bytes);
        else
            ok = tidy_one(ctx, mongodb, waiting);
    }
    gathering_free(&gathering);
    return ok;
}

/* Events that are out, of one collection. */
struct leaving {
    struct ctx *ctx;
    const struct outbox_event *events;
    size_t count;
    bson_t *updates; /* of an update command */
    uint32_t update_count;
    bson_t *log; /* documents for the log */
    uint32_t log_count;
};

static bool is_out(const struct leaving *leaving, const char *id)
{
    for (size_t i = 0; i < leaving->count; i++)
        if (strcmp(leaving->events[i].id, id) == 0)
            return true;
    return false;
}

static void log_event(struct leaving *leaving, const bson_t *event)
{
    char room[16];
    bson_t item;
    const char *type = text_of(leaving->ctx, event, "t");
    if (event_is_secret(type))
        return;
    const char *name = item_name(leaving->log_count++, room);
    BSON_APPEND_DOCUMENT_BEGIN(leaving->log, name, &item);
    BSON_APPEND_UTF8(&item, "_id", text_of(leaving->ctx, event, "i"));
    BSON_APPEND_UTF8(&item, "type", type);
    BSON_APPEND_UTF8(&item, "json", text_of(leaving->ctx, event, "j"));
    BSON_APPEND_INT64(&item, "at", number_of(event, "a"));
    bson_append_document_end(leaving->log, &item);
}

/* $pullAll takes the events as they stand: $pull with a condition is not in FerretDB. */
static bool leave_document(struct ctx *ctx, void *self, const bson_t *document)
{
    struct leaving *leaving = self;
    char room[16];
    bson_iter_t at, events;
    bson_t item, filter, update, pull, list, event;
    if (!bson_iter_init_find(&at, document, "o") || !bson_iter_recurse(&at, &events))
        return true;
    const char *name = item_name(leaving->update_count++, room);
    BSON_APPEND_DOCUMENT_BEGIN(leaving->updates, name, &item);
    BSON_APPEND_DOCUMENT_BEGIN(&item, "q", &filter);
    BSON_APPEND_UTF8(&filter, "_id", text_of(ctx, document, "_id"));
    bson_append_document_end(&item, &filter);
    BSON_APPEND_DOCUMENT_BEGIN(&item, "u", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "$pullAll", &pull);
    BSON_APPEND_ARRAY_BEGIN(&pull, "o", &list);
    for (uint32_t count = 0; next_event(&events, &event);) {
        if (!is_out(leaving, text_of(ctx, &event, "i")))
            continue;
        name = item_name(count++, room);
        BSON_APPEND_DOCUMENT(&list, name, &event);
        log_event(leaving, &event);
    }
    bson_append_array_end(&pull, &list);
    bson_append_document_end(&update, &pull);
    bson_append_document_end(&item, &update);
    bson_append_document_end(leaving->updates, &item);
    return true;
}

static bool run_list(struct ctx *ctx, struct mongodb *mongodb, const char *name, const char *collection,
                     const char *list, const bson_t *items)
{
    bson_t reply;
    bson_iter_t at, code;
    _cleanup_(bson_destroyp)
        bson_t *command = BCON_NEW(name, BCON_UTF8(collection), "ordered", BCON_BOOL(false), list, BCON_ARRAY(items));
    bool ok = mongodb_command(ctx, mongodb, command, true, &reply) == DONE_WELL;
    /* In the log already: a repetition. */
    if (ok && bson_iter_init(&at, &reply) && bson_iter_find_descendant(&at, "writeErrors.0.code", &code) &&
        bson_iter_as_int64(&code) != 11000) {
        mongodb_fail(ctx, mongodb, (int)bson_iter_as_int64(&code), list);
        ok = false;
    }
    bson_destroy(&reply);
    return ok;
}

/* First into the log, then out of the documents: a crash between them repeats the first. */
static bool leave_collection(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *ids,
                             struct leaving *leaving)
{
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", "{", "$in", BCON_ARRAY(ids), "}");
    _cleanup_(bson_destroyp) bson_t *opts = BCON_NEW("projection", "{", "o", BCON_INT32(1), "}");
    if (!mongodb_find(ctx, mongodb, collection, filter, opts, leave_document, leaving))
        return false;
    if (leaving->log_count && !run_list(ctx, mongodb, "insert", log_name, "documents", leaving->log))
        return false;
    if (leaving->update_count && !run_list(ctx, mongodb, "update", collection, "updates", leaving->updates))
        return false;
    return tidy(ctx, mongodb, collection, ids);
}

/* The ids of this collection's documents that the events stand in, each once where they follow one another. */
static bson_t *ids_in(struct mongodb *mongodb, const struct outbox_event *events, size_t count, size_t table)
{
    bson_t *ids = bson_new();
    const char *name = mongodb->tables->items[table].of->name, *last = "";
    size_t size = strlen(name);
    uint32_t number = 0;
    for (size_t i = 0; i < count; i++) {
        char room[16];
        if (strncmp(events[i].ref, name, size) != 0 || events[i].ref[size] != '/' || strcmp(last, events[i].ref) == 0)
            continue;
        last = events[i].ref;
        const char *item = item_name(number++, room);
        BSON_APPEND_UTF8(ids, item, last + size + 1);
    }
    return ids;
}

/* A command holds 16 MiB; the events of one answer of outbox_read need no more than two of them. */
static bool done_some(struct ctx *ctx, struct mongodb *mongodb, const struct outbox_event *events, size_t count)
{
    for (size_t i = 0; i < mongodb->tables->count; i++) {
        _cleanup_(bson_destroyp) bson_t *ids = ids_in(mongodb, events, count, i);
        _cleanup_(bson_destroyp) bson_t *updates = bson_new(), *log = bson_new();
        struct leaving leaving = { .ctx = ctx, .events = events, .count = count, .updates = updates, .log = log };
        if (!bson_empty(ids) && !leave_collection(ctx, mongodb, mongodb->tables->items[i].of->name, ids, &leaving))
            return false;
    }
    return true;
}

bool mongodb_outbox_done(struct ctx *ctx, struct backend *self, const struct outbox_event *events, size_t count)
{
    size_t most = ((struct mongodb *)self)->batch_max;
    for (size_t first = 0, next; first < count; first = next) {
        size_t bytes = 0;
        for (next = first; next < count && next - first < most && (next == first || bytes < OUTBOX_BYTES); next++)
            bytes += strlen(events[next].json) + 256;
        if (!done_some(ctx, (struct mongodb *)self, events + first, next - first))
            return false;
    }
    return true;
}

struct logged {
    struct outbox_event *items;
    size_t count, limit, bytes;
    const char *last; /* the cursor after the last one */
    bool more;
};

static bool read_logged(struct ctx *ctx, void *self, const bson_t *document)
{
    struct logged *logged = self;
    logged->more |= logged->count == logged->limit || logged->bytes > OUTBOX_BYTES;
    if (logged->more)
        return true;
    struct outbox_event *event = &logged->items[logged->count++];
    event->id = event->ref = text_of(ctx, document, "_id");
    event->type = text_of(ctx, document, "type");
    event->json = text_of(ctx, document, "json");
    logged->bytes += document->len;
    logged->last = arena_printf(&ctx->arena, "%lld.%s", (long long)number_of(document, "at"), event->id);
    return true;
}

/* at >= since; after a cursor: at beyond, or equal and the id beyond. */
static bson_t *log_filter(struct ctx *ctx, int64_t since_ms, const char *cursor)
{
    int64_t at;
    if (!cursor)
        return BCON_NEW("at", "{", "$gte", BCON_INT64(since_ms), "}");
    const char *dot = strchr(cursor, '.');
    if (!dot || !text_number(arena_memdup(&ctx->arena, cursor, (size_t)(dot - cursor)), INT64_MAX, &at) ||
        at < since_ms || !utf8_valid(dot, strlen(dot)))
        return ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list");
    return BCON_NEW("at", "{", "$gte", BCON_INT64(at), "}", "$or", "[", "{", "at", "{", "$gt", BCON_INT64(at), "}", "}",
                    "{", "at", BCON_INT64(at), "_id", "{", "$gt", BCON_UTF8(dot + 1), "}", "}", "]");
}

bool mongodb_outbox_log(struct ctx *ctx, struct backend *self, int64_t since_ms, const char *cursor, size_t limit,
                        struct outbox_event **out, size_t *count, const char **next)
{
    struct logged logged = { .items = arena_array(&ctx->arena, struct outbox_event, limit), .limit = limit };
    _cleanup_(bson_destroyp) bson_t *filter = log_filter(ctx, since_ms, cursor);
    if (!filter)
        return false;
    _cleanup_(bson_destroyp)
        bson_t *opts = BCON_NEW("sort", "{", "at", BCON_INT32(1), "_id", BCON_INT32(1), "}", "limit",
                                BCON_INT64((int64_t)limit + 1), "hint", BCON_UTF8("by_time"));
    if (!mongodb_find(ctx, (struct mongodb *)self, log_name, filter, opts, read_logged, &logged))
        return false;
    *out = logged.items;
    *count = logged.count;
    *next = logged.more ? logged.last : NULL;
    return true;
}

struct swept {
    bson_t *ids;
    uint32_t count;
};

static bool note_old(struct ctx *ctx, void *self, const bson_t *document)
{
    struct swept *swept = self;
    char room[16];
    const char *name = item_name(swept->count++, room);
    BSON_APPEND_UTF8(swept->ids, name, text_of(ctx, document, "_id"));
    return true;
}

bool mongodb_outbox_sweep(struct ctx *ctx, struct backend *self, int64_t before_ms, size_t *dropped)
{
    struct mongodb *mongodb = (struct mongodb *)self;
    int64_t count = 0;
    _cleanup_(bson_destroyp) bson_t *ids = bson_new();
    struct swept swept = { ids, 0 };
    _cleanup_(bson_destroyp) bson_t *old = BCON_NEW("at", "{", "$lt", BCON_INT64(before_ms), "}");
    _cleanup_(bson_destroyp)
        bson_t *opts = BCON_NEW("sort", "{", "at", BCON_INT32(1), "}", "limit", BCON_INT64(SWEEP_MAX), "projection",
                                "{", "_id", BCON_INT32(1), "}");
    if (!mongodb_find(ctx, mongodb, log_name, old, opts, note_old, &swept))
        return false;
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", "{", "$in", BCON_ARRAY(ids), "}");
    if (swept.count && mongodb_delete(ctx, mongodb, log_name, filter, true, &count) != DONE_WELL)
        return false;
    *dropped = (size_t)count;
    return true;
}
