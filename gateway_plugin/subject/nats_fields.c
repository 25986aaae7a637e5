#include "subject/nats_fields.h"

#include "exchange/json_object.h"

#include <ctype.h>
#include <string.h>

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("_.-[]", text[i]))
            return false;
    return size && size <= FIELD_NAME_MAX;
}

/* The next of this name from number `from` on; NULL: there is none. */
static const struct address_field *field_named(const struct address_fields *fields, size_t from, const char *name,
                                               size_t size)
{
    for (size_t i = from; i < fields->count; i++)
        if (strncmp(fields->items[i].name, name, size) == 0 && !fields->items[i].name[size])
            return &fields->items[i];
    return NULL;
}

static const struct address_field *first_of(const struct address_fields *fields, const struct address_field *field)
{
    return field_named(fields, 0, field->name, strlen(field->name));
}

static bool add(struct address_fields *fields, const char *name, const char *value)
{
    if (!name || !value)
        return false;
    if (!is_name(name))
        return true;
    if (fields->count == FIELDS_MAX)
        return false;
    fields->items[fields->count++] = (struct address_field){ name, value };
    return true;
}

static bool in_subject(const struct nats_subject *subject, const char *name)
{
    const char *used;
    for (size_t i = 0; (used = nats_subject_param(subject, i)); i++)
        if (strcmp(used, name) == 0)
            return true;
    return false;
}

static bool add_params(struct address_fields *fields, const struct nats_subject *subject, const struct params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->items[i];
        if (!in_subject(subject, param->name) &&
            !add(fields, param->name, nats_field_text(fields->arena, param->value, param->size, false)))
            return false;
    }
    return true;
}

static bool is_param(const struct params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->items[i].name, name) == 0)
            return true;
    return false;
}

static bool add_pair(struct address_fields *fields, const struct params *params, const char *pair, size_t size)
{
    const char *equals = memchr(pair, '=', size);
    size_t name_size = equals ? (size_t)(equals - pair) : size, value_size = equals ? size - name_size - 1 : 0;
    const char *name = nats_field_text(fields->arena, pair, name_size, true);
    if (!name)
        return false;
    /* The route's path decides, and not what somebody wrote behind it. */
    if (is_param(params, name))
        return true;
    return add(fields, name, nats_field_text(fields->arena, equals ? equals + 1 : "", value_size, true));
}

static bool add_query(struct address_fields *fields, const struct params *params, const char *query, size_t size)
{
    const char *end = query + size;
    for (const char *at = query, *stop; at < end; at = stop + 1) {
        stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        if (stop > at && !add_pair(fields, params, at, (size_t)(stop - at)))
            return false;
    }
    return true;
}

bool address_fields_read(struct address_fields *fields, struct arena *arena, const struct nats_subject *subject,
                         const struct params *params, const char *query, size_t size)
{
    *fields = (struct address_fields){ .arena = arena };
    if (!params->count && !size)
        return true;
    fields->items = arena_array(arena, struct address_field, FIELDS_MAX);
    return add_params(fields, subject, params) && add_query(fields, params, query, size);
}

const char *address_fields_names(const struct address_fields *fields)
{
    struct buf out = BUF(fields->arena);
    buf_text(&out, "");
    for (size_t i = 0; i < fields->count; i++)
        if (first_of(fields, &fields->items[i]) == &fields->items[i])
            buf_printf(&out, "%s%s", out.size ? "," : "", fields->items[i].name);
    return out.data;
}

/* A list where the name is repeated. `field` is the first of its name. */
static void write_field(struct buf *out, const struct address_fields *fields, const struct address_field *field)
{
    size_t size = strlen(field->name), from = (size_t)(field - fields->items) + 1;
    const struct address_field *more = field_named(fields, from, field->name, size);
    buf_json(out, field->name);
    buf_text(out, more ? ":[" : ":");
    buf_json(out, field->value);
    if (!more)
        return;
    for (; more; more = field_named(fields, (size_t)(more - fields->items) + 1, field->name, size)) {
        buf_char(out, ',');
        buf_json(out, more->value);
    }
    buf_char(out, ']');
}

static bool keep_members(const struct address_fields *fields, struct json_object *object, struct buf *out)
{
    struct json_member member;
    while (json_object_next(object, &member)) {
        if (field_named(fields, 0, member.name, member.name_size))
            continue;
        buf_char(out, ',');
        buf_add(out, member.text, member.size);
    }
    return !object->bad;
}

enum merge address_fields_merge(const struct address_fields *fields, const char *body, size_t size, struct buf *out)
{
    struct json_object object;
    bool is_object = json_object_open(&object, body, size);
    if (size && !is_object)
        return MERGE_KEPT;
    for (size_t i = 0; i < fields->count; i++) {
        if (first_of(fields, &fields->items[i]) != &fields->items[i])
            continue;
        buf_char(out, i ? ',' : '{');
        write_field(out, fields, &fields->items[i]);
    }
    if (size && !keep_members(fields, &object, out))
        return MERGE_BAD;
    buf_char(out, '}');
    return MERGED;
}
