#include "store/collection.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

bool name_is_plain(const char *name)
{
    if (!name || !isalpha((unsigned char)*name) || strlen(name) > 48)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

size_t index_fields(const struct index *index)
{
    size_t count = 0;
    while (count < INDEX_FIELDS && index->on[count])
        count++;
    return count;
}

static bool is_indexable(const struct field *field)
{
    enum field_kind kind = field->kind == LIST ? field->item : field->kind;
    if (field->kind == LIST)
        return kind == TEXT || kind == ID;
    return kind == TEXT || kind == ID || kind == INTEGER || kind == TIME || kind == ENUM || kind == FLAG;
}

static bool index_check(struct ctx *ctx, const struct collection *of, const struct index *index)
{
    size_t lists = 0;
    if (!name_is_plain(index->name) || !index_fields(index))
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: an index without a plain name or without fields", of->name);
    for (size_t i = 0; i < index_fields(index); i++) {
        const struct field *field = field_named(of->fields, index->on[i]);
        if (!field || !is_indexable(field))
            return ctx_fail(ctx, ERROR_INTERNAL, "%s.%s: %s cannot be indexed", of->name, index->name, index->on[i]);
        lists += field->kind == LIST;
    }
    if (lists > 1 || (lists && index->unique))
        return ctx_fail(ctx, ERROR_INTERNAL, "%s.%s: one list at the most, none in a unique index", of->name,
                        index->name);
    return true;
}

bool collection_check(struct ctx *ctx, const struct collection *of)
{
    if (!name_is_plain(of->name) || text_starts(of->name, "store_")) /* the back ends' own begin so */
        return ctx_fail(ctx, ERROR_INTERNAL, "\"%s\" is no name of a collection", of->name ? of->name : "");
    size_t count = 0;
    for (; of->indexes && of->indexes[count].name; count++)
        if (!index_check(ctx, of, &of->indexes[count]))
            return false;
    return count <= INDEXES_MAX || ctx_fail(ctx, ERROR_INTERNAL, "%s has more than %d indexes", of->name, INDEXES_MAX);
}

bool declared_equal(const struct declared *a, const struct declared *b)
{
    if (strcmp(a->name, b->name) != 0 || a->unique != b->unique || a->fields != b->fields)
        return false;
    for (size_t i = 0; i < a->fields; i++)
        if (strcmp(a->on[i], b->on[i]) != 0)
            return false;
    return true;
}

bool index_is_declared(const struct index *index, const struct declared *declared)
{
    struct declared wanted = { .name = index->name, .fields = index_fields(index), .unique = index->unique };
    for (size_t i = 0; i < wanted.fields; i++)
        wanted.on[i] = index->on[i];
    return declared_equal(&wanted, declared);
}

bool id_is_storable(const char *id)
{
    if (!id || !*id)
        return false;
    size_t size = strnlen(id, ID_MAX + 1);
    return size <= ID_MAX && utf8_valid(id, size);
}
