#include "record/record_kinds.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_integer(struct buf *out, int64_t value)
{
    char digits[24], *end = digits + sizeof digits, *c = end;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--c = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--c = '-';
    buf_add(out, c, (size_t)(end - c));
}

/* As short as it reads back the same; JSON has no NaN and no infinity. */
static void add_number(struct buf *out, double value)
{
    if (!isfinite(value)) {
        buf_add(out, "null", 4);
        return;
    }
    if (value == trunc(value) && fabs(value) < 1e15) {
        add_integer(out, (int64_t)value);
        return;
    }
    char text[32];
    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, sizeof text, "%.17g", value);
    buf_text(out, text);
}

static void add_list(struct buf *out, const struct field *field, const struct list *list);

static void add_value(struct buf *out, const struct field *field, const void *at)
{
    switch (field->kind) {
    case INTEGER:
        add_integer(out, *(const int64_t *)at);
        break;
    case NUMBER:
        add_number(out, *(const double *)at);
        break;
    case FLAG:
        buf_text(out, *(const bool *)at ? "true" : "false");
        break;
    case TIME:
        buf_json(out, clock_format(out->arena, *(const int64_t *)at));
        break;
    case ENUM:
        buf_json(out, field_value_name(field, *(const int *)at));
        break;
    case LIST:
        add_list(out, field, at);
        break;
    case RECORD:
        record_json(out, field->record, *(const void *const *)at);
        break;
    case JSON:
        buf_text(out, *(const char *const *)at);
        break;
    default:
        buf_json(out, *(const char *const *)at);
    }
}

static void add_list(struct buf *out, const struct field *field, const struct list *list)
{
    struct field item = field_item(field);
    size_t size = field_item_size(field);
    buf_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        const char *at = (const char *)list->items + i * size;
        if (i)
            buf_char(out, ',');
        if (item.kind == RECORD)
            record_json(out, item.record, at);
        else
            add_value(out, &item, at);
    }
    buf_char(out, ']');
}

/* What stands for an absent field that is always written. */
static bool null_when_absent(enum field_kind kind)
{
    return kind == TEXT || kind == ID || kind == TIME || kind == RECORD || kind == JSON;
}

void record_json(struct buf *out, const struct field *fields, const void *record)
{
    char before = '{';
    for (const struct field *field = fields; field->name; field++) {
        const void *at = field_in(field, record);
        bool absent = field_absent(field, at);
        if (absent && !field->always && field->kind != FLAG && field->kind != ENUM)
            continue;
        buf_char(out, before);
        buf_json(out, field->name);
        buf_char(out, ':');
        if (absent && null_when_absent(field->kind))
            buf_add(out, "null", 4);
        else
            add_value(out, field, at);
        before = ',';
    }
    if (before == '{')
        buf_char(out, '{');
    buf_char(out, '}');
}
