#include "record/record_kinds.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

typedef bool take_fn(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to);

static bool take_text(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    (void)field;
    uint32_t size = 0;
    if (!BSON_ITER_HOLDS_UTF8(iter))
        return false;
    const char *text = bson_iter_utf8(iter, &size);
    *(const char **)to = arena_memdup(&ctx->arena, text, size);
    return true;
}

static bool take_integer(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    (void)ctx, (void)field;
    if (BSON_ITER_HOLDS_DOUBLE(iter)) { /* what a shell writes */
        double real = bson_iter_double(iter);
        if (!(fabs(real) <= 9007199254740992.0) || real != trunc(real))
            return false;
        *(int64_t *)to = (int64_t)real;
        return true;
    }
    if (!BSON_ITER_HOLDS_INT(iter))
        return false;
    *(int64_t *)to = bson_iter_as_int64(iter);
    return true;
}

static bool take_number(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    (void)ctx, (void)field;
    if (!BSON_ITER_HOLDS_NUMBER(iter))
        return false;
    *(double *)to = bson_iter_as_double(iter);
    return true;
}

static bool take_flag(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    (void)ctx, (void)field;
    if (!BSON_ITER_HOLDS_BOOL(iter))
        return false;
    *(bool *)to = bson_iter_bool(iter);
    return true;
}

static bool take_time(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    (void)ctx, (void)field;
    if (!BSON_ITER_HOLDS_DATE_TIME(iter))
        return false;
    *(int64_t *)to = bson_iter_date_time(iter);
    return true;
}

static bool take_enum(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    (void)ctx;
    int index = BSON_ITER_HOLDS_UTF8(iter) ? field_value_index(field, bson_iter_utf8(iter, NULL)) : -1;
    if (index < 0)
        return false;
    *(int *)to = index;
    return true;
}

static bool take_fields(struct ctx *ctx, const struct field *fields, bson_iter_t *iter, void *out);

static bool take_object(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *out)
{
    bson_iter_t inner;
    return BSON_ITER_HOLDS_DOCUMENT(iter) && bson_iter_recurse(iter, &inner) &&
           take_fields(ctx, field->record, &inner, out);
}

static bool take_record(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    return take_object(ctx, field, iter, *(void **)to = arena_alloc(&ctx->arena, field->item_size));
}

static take_fn take_list;

static take_fn *const takers[] = {
    [TEXT] = take_text, [ID] = take_text,   [INTEGER] = take_integer, [NUMBER] = take_number, [FLAG] = take_flag,
    [TIME] = take_time, [ENUM] = take_enum, [LIST] = take_list,       [RECORD] = take_record, [JSON] = take_text,
};

static size_t count_items(bson_iter_t iter)
{
    size_t count = 0;
    while (bson_iter_next(&iter))
        count++;
    return count;
}

static bool take_list(struct ctx *ctx, const struct field *field, const bson_iter_t *iter, void *to)
{
    bson_iter_t inner;
    if (!BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &inner))
        return false;
    size_t size = field_item_size(field), count = count_items(inner);
    struct field item = field_item(field);
    char *items = arena_alloc(&ctx->arena, count * size), *at = items;
    take_fn *take = item.kind == RECORD ? take_object : takers[item.kind];
    for (; bson_iter_next(&inner); at += size)
        if (!take(ctx, &item, &inner, at))
            return false;
    *(struct list *)to = (struct list){ .items = items, .count = count };
    return true;
}

static bool take_fields(struct ctx *ctx, const struct field *fields, bson_iter_t *iter, void *out)
{
    while (bson_iter_next(iter)) {
        const struct field *field = field_named(fields, bson_iter_key(iter));
        if (!field || BSON_ITER_HOLDS_NULL(iter))
            continue;
        if (takers[field->kind](ctx, field, iter, field_at(field, out)))
            continue;
        if (!ctx->error) /* the innermost field says it */
            ctx_fail(ctx, ERROR_INTERNAL, "the stored field %s is not of its kind", field->name);
        return false;
    }
    return true;
}

bool record_from_bson(struct ctx *ctx, const bson_t *doc, const struct field *fields, void *out)
{
    bson_iter_t iter;
    if (!bson_iter_init(&iter, doc))
        return ctx_fail(ctx, ERROR_INTERNAL, "a stored document is not BSON");
    return take_fields(ctx, fields, &iter, out);
}

static void put_list(bson_t *doc, const char *name, const struct field *field, const struct list *list);

static void put_object(bson_t *doc, const char *name, const struct field *fields, const void *record)
{
    bson_t inner;
    bson_append_document_begin(doc, name, -1, &inner);
    record_to_bson(&inner, fields, record);
    bson_append_document_end(doc, &inner);
}

static void put_text(bson_t *doc, const char *name, const char *text)
{
    if (text)
        bson_append_utf8(doc, name, -1, text, -1);
}

static void put_value(bson_t *doc, const char *name, const struct field *field, const void *at)
{
    switch (field->kind) {
    case INTEGER:
        bson_append_int64(doc, name, -1, *(const int64_t *)at);
        break;
    case NUMBER:
        bson_append_double(doc, name, -1, *(const double *)at);
        break;
    case FLAG:
        bson_append_bool(doc, name, -1, *(const bool *)at);
        break;
    case TIME:
        bson_append_date_time(doc, name, -1, *(const int64_t *)at);
        break;
    case ENUM:
        put_text(doc, name, field_value_name(field, *(const int *)at));
        break;
    case LIST:
        put_list(doc, name, field, at);
        break;
    case RECORD:
        put_object(doc, name, field->record, *(const void *const *)at);
        break;
    default:
        put_text(doc, name, *(const char *const *)at);
    }
}

static void put_list(bson_t *doc, const char *name, const struct field *field, const struct list *list)
{
    struct field item = field_item(field);
    size_t size = field_item_size(field);
    bson_t array;
    bson_append_array_begin(doc, name, -1, &array);
    for (size_t i = 0; i < list->count; i++) {
        char digits[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, digits, sizeof digits);
        const char *at = (const char *)list->items + i * size;
        if (item.kind == RECORD)
            put_object(&array, key, item.record, at);
        else
            put_value(&array, key, &item, at);
    }
    bson_append_array_end(doc, &array);
}

void record_to_bson(bson_t *doc, const struct field *fields, const void *record)
{
    for (const struct field *field = fields; field->name; field++) {
        const void *at = field_in(field, record);
        if (field->kind == FLAG || field->kind == ENUM || !field_absent(field, at))
            put_value(doc, field->name, field, at);
    }
}
