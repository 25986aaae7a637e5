#include "record/record_kinds.h"

#include "base/text.h"

enum { DEPTH_MAX = 16 }; /* as deep as JSON is read: a table may name itself */

static const char *const types[] = {
    [TEXT] = "string", [ID] = "string",   [INTEGER] = "integer", [NUMBER] = "number", [FLAG] = "boolean",
    [TIME] = "string", [ENUM] = "string", [LIST] = "array",      [RECORD] = "object",
};

static void add_pair(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    buf_json(out, value);
}

static void add_type(struct buf *out, const struct field *field)
{
    bool null = field->always && !field->required &&
                (field->kind == TEXT || field->kind == ID || field->kind == TIME || field->kind == RECORD);
    buf_printf(out, null ? "\"type\":[\"%s\",\"null\"]" : "\"type\":\"%s\"", types[field->kind]);
}

static void add_bounds(struct buf *out, const struct field *field)
{
    const char *what = field->kind == LIST ? "Items" : "Length";
    if (field->min)
        buf_printf(out, ",\"min%s\":%zu", what, field->min);
    if (field->max)
        buf_printf(out, ",\"max%s\":%zu", what, field->max);
    if (field->least != 0 || field->most != 0)
        buf_printf(out, ",\"minimum\":%.15g,\"maximum\":%.15g", field->least, field->most);
}

static void add_format(struct buf *out, const struct field *field)
{
    if (field->kind == TIME)
        add_pair(out, "format", "date-time");
    else if (field->rule && text_equal(field->rule, "email"))
        add_pair(out, "format", "email");
    else if (field->rule && text_equal(field->rule, "url"))
        add_pair(out, "format", "uri");
}

static void add_values(struct buf *out, const struct field *field)
{
    buf_text(out, ",\"enum\":[");
    for (int i = 0; field->values[i]; i++) {
        if (i)
            buf_char(out, ',');
        buf_json(out, field->values[i]);
    }
    buf_char(out, ']');
}

static void add_members(struct buf *out, const struct field *fields, int depth);

static void add_field(struct buf *out, const struct field *field, int depth)
{
    buf_char(out, '{');
    if (field->kind == JSON) {
        buf_char(out, '}');
        return;
    }
    add_type(out, field);
    if (field->kind == LIST) {
        struct field item = field_item(field);
        item.doc = NULL;
        add_bounds(out, field);
        buf_text(out, ",\"items\":");
        add_field(out, &item, depth);
    } else if (field->kind == RECORD)
        add_members(out, field->record, depth + 1);
    else {
        add_bounds(out, field);
        add_format(out, field);
        if (field->pattern)
            add_pair(out, "pattern", field->pattern);
        if (field->kind == ENUM)
            add_values(out, field);
    }
    if (field->doc)
        add_pair(out, "description", field->doc);
    buf_char(out, '}');
}

static void add_required(struct buf *out, const struct field *fields)
{
    const char *before = ",\"required\":[";
    for (const struct field *field = fields; field->name; field++)
        if (field->required) {
            buf_text(out, before);
            buf_json(out, field->name);
            before = ",";
        }
    if (*before == ',' && !before[1])
        buf_char(out, ']');
}

static void add_members(struct buf *out, const struct field *fields, int depth)
{
    if (depth >= DEPTH_MAX)
        return;
    buf_text(out, ",\"properties\":{");
    for (const struct field *field = fields; field->name; field++) {
        if (field != fields)
            buf_char(out, ',');
        buf_json(out, field->name);
        buf_char(out, ':');
        add_field(out, field, depth);
    }
    buf_char(out, '}');
    add_required(out, fields);
}

void record_schema(struct buf *out, const struct field *fields)
{
    buf_text(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\"");
    add_members(out, fields, 0);
    buf_char(out, '}');
}
