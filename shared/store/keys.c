#include "store/keys.h"

#include "base/text.h"

#include <string.h>

static bool key_from(const bson_iter_t *at, struct key *out)
{
    switch (bson_iter_type(at)) {
    case BSON_TYPE_UTF8:
        *out = KEY_TEXT(bson_iter_utf8(at, NULL));
        return true;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
    case BSON_TYPE_BOOL:
        *out = KEY_INT(bson_iter_as_int64(at));
        return true;
    case BSON_TYPE_DATE_TIME:
        *out = KEY_INT(bson_iter_date_time(at));
        return true;
    default:
        return false;
    }
}

bool key_of(const bson_t *fields, const char *name, struct key *out)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, fields, name) && key_from(&at, out);
}

int key_compare(const struct key *a, const struct key *b)
{
    if (!a->text != !b->text)
        return a->text ? 1 : -1; /* numbers before text, as both back ends sort them */
    if (a->text)
        return strcmp(a->text, b->text);
    return (a->integer > b->integer) - (a->integer < b->integer);
}

bool key_fits(const struct key *key)
{
    return !key->text || strnlen(key->text, KEY_MAX + 1) <= KEY_MAX;
}

static int entry_compare(const struct entry *a, const struct entry *b, size_t fields)
{
    for (size_t i = 0; i < fields; i++) {
        int order = key_compare(&a->keys[i], &b->keys[i]);
        if (order)
            return order;
    }
    return 0;
}

static int entry_order(const void *a, const void *b)
{
    return entry_compare(a, b, INDEX_FIELDS);
}

/* What the entries of one document share, and where its list stands. */
struct shared_keys {
    struct entry entry;
    bson_iter_t list;
    size_t list_at;
    bool has_list;
};

static bool shared_keys(const struct declared *index, const bson_t *fields, struct shared_keys *out)
{
    for (size_t i = 0; i < index->fields; i++) {
        bson_iter_t at;
        if (!bson_iter_init_find(&at, fields, index->on[i]))
            return false;
        if (BSON_ITER_HOLDS_ARRAY(&at)) {
            if (out->has_list || !bson_iter_recurse(&at, &out->list))
                return false;
            out->has_list = true;
            out->list_at = i;
        } else if (!key_from(&at, &out->entry.keys[i])) {
            return false;
        }
    }
    return true;
}

static bool entries_fit(struct ctx *ctx, const struct declared *index, const struct entry *entries, size_t count)
{
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < index->fields; i++)
            if (!key_fits(&entries[n].keys[i]))
                return ctx_fail(ctx, ERROR_INVALID, "%s is too long", index->on[i]);
    return true;
}

static size_t list_entries(struct ctx *ctx, struct shared_keys *keys, struct entry **out)
{
    size_t room = 0, count = 0;
    for (bson_iter_t at = keys->list; room <= LIST_KEYS_MAX && bson_iter_next(&at);)
        room++;
    struct entry *entries = arena_array(&ctx->arena, struct entry, room + 1);
    while (count < room && bson_iter_next(&keys->list)) {
        entries[count] = keys->entry;
        if (key_from(&keys->list, &entries[count].keys[keys->list_at]))
            count++;
    }
    *out = entries;
    return count;
}

bool entries_of(struct ctx *ctx, const struct declared *index, const bson_t *fields, struct entry **out, size_t *count)
{
    struct shared_keys keys = { 0 };
    *count = 0;
    *out = NULL;
    if (!shared_keys(index, fields, &keys))
        return true;
    if (!keys.has_list) {
        *out = arena_new(&ctx->arena, struct entry);
        **out = keys.entry;
        *count = 1;
        return entries_fit(ctx, index, *out, 1);
    }

    size_t all = list_entries(ctx, &keys, out);
    if (all > LIST_KEYS_MAX) /* it stops counting there */
        return ctx_fail(ctx, ERROR_INVALID, "%s has more than %d items", index->on[keys.list_at], LIST_KEYS_MAX);
    qsort(*out, all, sizeof **out, entry_order);
    for (size_t i = 0; i < all; i++)
        if (*count == 0 || entry_order(&(*out)[*count - 1], &(*out)[i]) != 0)
            (*out)[(*count)++] = (*out)[i];
    return entries_fit(ctx, index, *out, *count);
}

bool entries_equal(const struct declared *index, const struct entry *a, size_t a_count, const struct entry *b,
                   size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (entry_compare(&a[i], &b[i], index->fields) != 0)
            return false;
    return true;
}

static bool is_among(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

bool index_touched(const struct declared *index, const char *const *names)
{
    for (size_t i = 0; i < index->fields; i++)
        if (is_among(index->on[i], names))
            return true;
    return false;
}

void fields_change(bson_t *out, const bson_t *old, const char *const *gone, const bson_t *set)
{
    bson_iter_t at;
    if (bson_iter_init(&at, old))
        while (bson_iter_next(&at))
            if (!is_among(bson_iter_key(&at), gone))
                bson_append_iter(out, NULL, -1, &at);
    bson_concat(out, set);
}
