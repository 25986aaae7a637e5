#include "record/record_kinds.h"

#include "base/text.h"

static const size_t sizes[] = {
    [TEXT] = sizeof(const char *), [ID] = sizeof(const char *), [INTEGER] = sizeof(int64_t), [NUMBER] = sizeof(double),
    [FLAG] = sizeof(bool),         [TIME] = sizeof(int64_t),    [ENUM] = sizeof(int),        [LIST] = 0,
    [JSON] = sizeof(const char *),
};

struct field field_item(const struct field *list)
{
    struct field item = *list;
    item.kind = list->item;
    item.offset = 0;
    item.min = item.max = 0;
    item.required = item.always = false;
    return item;
}

size_t field_item_size(const struct field *list)
{
    size_t size = list->item == RECORD ? list->item_size : sizes[list->item];
    if (!size)
        abort(); /* a table with a list of lists, or a record without a size */
    return size;
}

bool field_absent(const struct field *field, const void *at)
{
    switch (field->kind) {
    case INTEGER:
    case TIME:
        return *(const int64_t *)at == 0;
    case NUMBER:
        return *(const double *)at == 0;
    case FLAG:
        return !*(const bool *)at;
    case ENUM:
        return *(const int *)at == 0;
    case LIST:
        return ((const struct list *)at)->count == 0;
    default:
        return *(const void *const *)at == NULL;
    }
}

int field_value_index(const struct field *field, const char *text)
{
    for (int i = 0; field->values[i]; i++)
        if (text_equal(field->values[i], text))
            return i;
    return -1;
}

const char *field_value_name(const struct field *field, int index)
{
    for (int i = 0; field->values[i]; i++)
        if (i == index)
            return field->values[i];
    return NULL;
}

const struct field *field_named(const struct field *fields, const char *name)
{
    for (; fields->name; fields++)
        if (text_equal(fields->name, name))
            return fields;
    return NULL;
}
