/* Reading from MongoDB: by id, and pages by a hinted index. */
#include "store/mongodb.h"

#include <string.h>

/* An int64 or a text at the top of a document. */
static const char *text_at(struct ctx *ctx, const bson_t *document, const char *name)
{
    bson_iter_t at;
    if (!bson_iter_init_find(&at, document, name) || !BSON_ITER_HOLDS_UTF8(&at))
        return NULL;
    return arena_strdup(&ctx->arena, bson_iter_utf8(&at, NULL));
}

bool stored_read(struct ctx *ctx, const bson_t *document, struct stored *out)
{
    static const uint8_t empty[5] = { 5 };
    bson_iter_t at;
    uint32_t size = sizeof empty;
    const uint8_t *data = empty;
    out->id = text_at(ctx, document, "_id");
    out->w = text_at(ctx, document, "w");
    out->version = bson_iter_init_find(&at, document, "v") ? bson_iter_as_int64(&at) : 0;
    out->gone = bson_iter_init_find(&at, document, "gone") && bson_iter_as_bool(&at);
    out->carries = bson_iter_init_find(&at, document, "oa");
    if (bson_iter_init_find(&at, document, "d") && BSON_ITER_HOLDS_DOCUMENT(&at))
        bson_iter_document(&at, &size, &data);
    const void *copy = arena_memdup(&ctx->arena, data, size);
    if (!out->id || !out->version || !bson_init_static(&out->fields, copy, size))
        return ctx_fail(ctx, ERROR_INTERNAL, "%s is damaged in the store", out->id ? out->id : "a document");
    return true;
}

static bson_t *head_opts(void)
{
    return BCON_NEW("projection", "{", "v", BCON_INT32(1), "w", BCON_INT32(1), "d", BCON_INT32(1), "gone",
                    BCON_INT32(1), "oa", BCON_INT32(1), "}");
}

struct one {
    struct stored *stored;
    bool found;
};

static bool take_one(struct ctx *ctx, void *self, const bson_t *document)
{
    struct one *one = self;
    one->found = true;
    return stored_read(ctx, document, one->stored);
}

bool mongodb_stored(struct ctx *ctx, struct mongodb *mongodb, const struct table *table, const char *id,
                    struct stored *out)
{
    struct one one = { .stored = out };
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
    _cleanup_(bson_destroyp) bson_t *opts = head_opts();
    if (!mongodb_find(ctx, mongodb, table->of->name, filter, opts, take_one, &one))
        return false;
    return one.found || ctx_fail(ctx, ERROR_NOT_FOUND, "%s: no such document", table->of->name);
}

/* Where the documents of a get go: each to every place at which its id was asked for. */
struct places {
    const char *const *ids;
    size_t count;
    const struct sink *sink;
};

static bool place_row(struct ctx *ctx, void *self, const bson_t *document)
{
    const struct places *places = self;
    struct stored stored;
    if (!stored_read(ctx, document, &stored))
        return false;
    struct row row = { .id = stored.id, .version = stored.version, .fields = &stored.fields };
    for (size_t i = 0; i < places->count && !stored.gone; i++)
        if (places->ids[i] && strcmp(places->ids[i], stored.id) == 0 &&
            !places->sink->row(ctx, places->sink->self, i, &row))
            return false;
    return true;
}

static bson_t *ids_filter(const char *const *ids, size_t count)
{
    if (count == 1)
        return BCON_NEW("_id", BCON_UTF8(ids[0]));
    bson_t *filter = bson_new(), in, list;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        char room[16];
        const char *at = item_name((uint32_t)i, room);
        BSON_APPEND_UTF8(&list, at, ids[i] ? ids[i] : "");
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return filter;
}

bool mongodb_get(struct ctx *ctx, struct backend *self, const struct table *table, const char *const *ids, size_t count,
                 const struct sink *sink)
{
    if (!count || (count == 1 && !ids[0]))
        return true;
    struct places places = { ids, count, sink };
    _cleanup_(bson_destroyp) bson_t *filter = ids_filter(ids, count);
    _cleanup_(bson_destroyp) bson_t *opts = head_opts();
    return mongodb_find(ctx, (struct mongodb *)self, table->of->name, filter, opts, place_row, &places);
}

/* What a page is ordered by: the remaining fields of the index, and the id where it is part of the index. */
struct order {
    const char *paths[INDEX_FIELDS + 1];
    const struct key *after[INDEX_FIELDS + 1];
    struct key after_id;
    size_t count;
};

static const char *path_of(struct ctx *ctx, const struct query *query, size_t field)
{
    return arena_printf(&ctx->arena, "k.%s.%c", query->index->name, (char)('a' + field));
}

static void order_make(struct ctx *ctx, const struct query *query, struct order *out)
{
    out->count = 0;
    out->after_id = KEY_TEXT(query->after_id);
    for (size_t i = query->equals; i < query->fields; i++) {
        out->after[out->count] = query->after_id ? &query->after[i - query->equals] : NULL;
        out->paths[out->count++] = path_of(ctx, query, i);
    }
    /* A unique index ends with its fields: they tell two documents apart. */
    if (out->count && query->index->unique)
        return;
    out->after[out->count] = &out->after_id;
    out->paths[out->count++] = query->index && !query->index->unique
                                   ? arena_printf(&ctx->arena, "k.%s.id", query->index->name)
                                   : "_id";
}

static void append_key(bson_t *out, const char *name, const struct key *key)
{
    if (key->text)
        BSON_APPEND_UTF8(out, name, key->text);
    else
        BSON_APPEND_INT64(out, name, key->integer);
}

/* [from, to) of the first path, narrowed by the position. */
static void append_bounds(const struct query *query, const struct order *order, bson_t *filter)
{
    const struct key *after = query->after_id ? order->after[0] : NULL;
    bool strict = order->count == 1;
    bson_t bounds;
    BSON_APPEND_DOCUMENT_BEGIN(filter, order->paths[0], &bounds);
    if (after && !query->descending)
        append_key(&bounds, strict ? "$gt" : "$gte", after);
    else if (query->from)
        append_key(&bounds, "$gte", query->from);
    if (after && query->descending)
        append_key(&bounds, strict ? "$lt" : "$lte", after);
    else if (query->to)
        append_key(&bounds, "$lt", query->to);
    if (bson_empty(&bounds)) /* FerretDB takes no hint: without keys a document is not in the index */
        BSON_APPEND_BOOL(&bounds, "$exists", true);
    bson_append_document_end(filter, &bounds);
}

/* The row after (a, b, id): a is beyond, or a is equal and b beyond, or ... */
static void append_position(const struct query *query, const struct order *order, bson_t *filter)
{
    bson_t list, one, beyond;
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &list);
    for (size_t i = 0; i < order->count; i++) {
        const char number[] = { (char)('0' + i), 0 };
        BSON_APPEND_DOCUMENT_BEGIN(&list, number, &one);
        for (size_t k = 0; k < i; k++)
            append_key(&one, order->paths[k], order->after[k]);
        BSON_APPEND_DOCUMENT_BEGIN(&one, order->paths[i], &beyond);
        append_key(&beyond, query->descending ? "$lt" : "$gt", order->after[i]);
        bson_append_document_end(&one, &beyond);
        bson_append_document_end(&list, &one);
    }
    bson_append_array_end(filter, &list);
}

static bson_t *scan_filter(struct ctx *ctx, const struct query *query, const struct order *order)
{
    bson_t *filter = bson_new();
    for (size_t i = 0; i < query->equals; i++)
        append_key(filter, path_of(ctx, query, i), &query->equal[i]);
    append_bounds(query, order, filter);
    if (query->after_id && order->count > 1)
        append_position(query, order, filter);
    if (!query->index) {
        bson_t gone;
        BSON_APPEND_DOCUMENT_BEGIN(filter, "gone", &gone);
        BSON_APPEND_BOOL(&gone, "$exists", false);
        bson_append_document_end(filter, &gone);
    }
    return filter;
}

static bson_t *scan_opts(const struct query *query, const struct order *order)
{
    bson_t *opts = head_opts(), sort;
    BSON_APPEND_DOCUMENT_BEGIN(opts, "sort", &sort);
    for (size_t i = 0; i < order->count; i++)
        BSON_APPEND_INT32(&sort, order->paths[i], query->descending ? -1 : 1);
    bson_append_document_end(opts, &sort);
    BSON_APPEND_INT64(opts, "limit", (int64_t)query->limit);
    BSON_APPEND_INT64(opts, "batchSize", (int64_t)query->limit + 1);
    BSON_APPEND_UTF8(opts, "hint", query->index ? query->index->name : "_id_");
    return opts;
}

struct rows {
    const struct sink *sink;
    size_t count;
};

static bool scan_row(struct ctx *ctx, void *self, const bson_t *document)
{
    struct rows *rows = self;
    struct stored stored;
    if (!stored_read(ctx, document, &stored))
        return false;
    struct row row = { .id = stored.id, .version = stored.version, .fields = &stored.fields };
    return rows->sink->row(ctx, rows->sink->self, rows->count++, &row);
}

bool mongodb_scan(struct ctx *ctx, struct backend *self, const struct query *query, const struct sink *sink)
{
    struct order order;
    struct rows rows = { .sink = sink };
    order_make(ctx, query, &order);
    _cleanup_(bson_destroyp) bson_t *filter = scan_filter(ctx, query, &order);
    _cleanup_(bson_destroyp) bson_t *opts = scan_opts(query, &order);
    return mongodb_find(ctx, (struct mongodb *)self, query->table->of->name, filter, opts, scan_row, &rows);
}
