/* Most messages are one object of a few texts. A parser reads those byte by byte; here it is done by a few searches. */
#include "record/record_kinds.h"

#include "base/text.h"

#include <string.h>

enum { PLAIN_MAX = 8 };

struct plain {
    const struct field *field;
    const char *text;
    size_t size;
};

/* Behind the string that begins at `at`: printable ASCII without escapes. NULL: it is not one. */
static const char *plain_string(const char *at, const char *end, const char **text, size_t *size)
{
    if (at >= end || *at != '"')
        return NULL;
    const char *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (!quote)
        return NULL;
    *text = at + 1;
    *size = (size_t)(quote - at - 1);
    bool plain = text_plain(*text, *size) == *size && !memchr(*text, '\\', *size);
    return plain ? quote + 1 : NULL;
}

static const struct field *text_field(const struct field *fields, const char *name, size_t size)
{
    for (const struct field *field = fields; field->name; field++)
        if (strncmp(field->name, name, size) == 0 && !field->name[size])
            return field->kind == TEXT || field->kind == ID ? field : NULL;
    return NULL;
}

static const struct plain *plain_of(const struct plain *items, size_t count, const struct field *field)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].field == field)
            return &items[i];
    return NULL;
}

/* {"name":"text","name":"text"}, each name once and that of a text. */
static bool take_apart(const char *at, const char *end, const struct field *fields, struct plain *items, size_t *count)
{
    const char *name;
    size_t size;
    char before = '{';
    for (*count = 0; *count < PLAIN_MAX && at < end && *at == before; (*count)++, before = ',') {
        struct plain *item = &items[*count];
        at = plain_string(at + 1, end, &name, &size);
        item->field = at ? text_field(fields, name, size) : NULL;
        if (!item->field || plain_of(items, *count, item->field) || at >= end || *at != ':')
            return false;
        at = plain_string(at + 1, end, &item->text, &item->size);
        if (!at)
            return false;
    }
    return *count && at && at + 1 == end && *at == '}';
}

bool plain_read(struct check *check, const char *text, size_t size, const struct field *fields, void *out)
{
    struct plain items[PLAIN_MAX];
    size_t count;
    if (!take_apart(text, text + size, fields, items, &count))
        return false;
    for (const struct field *field = fields; field->name; field++) {
        struct place place = { .name = field->name };
        const struct plain *item = plain_of(items, count, field);
        if (item) {
            char *value = arena_memdup(&check->ctx->arena, item->text, item->size);
            check_text(check, &place, field, value);
            *(char **)field_at(field, out) = value;
        } else if (field->required) {
            check_broken(check, &place, "required", "%s is required");
        }
    }
    return true;
}
