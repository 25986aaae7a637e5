#include "record/record_kinds.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "record/unicode.h"

#include <math.h>
#include <string.h>

enum {
    JSON_SIZE_MAX = 1 << 20,
    JSON_DEPTH_MAX = 16,
    /* jansson needs some 130 bytes for an empty array of two characters: this bounds it to 13 MB. */
    JSON_VALUES_MAX = 100000
};

/* Position after the string that begins at `at`; the parser will say what is wrong with it. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at;
}

/* jansson recurses and allocates before we see anything, so look first. */
static const char *too_much(const char *text, size_t size)
{
    int depth = 0;
    size_t values = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '"')
            i = skip_string(text, size, i);
        else if (c == '{' || c == '[') {
            values++;
            if (++depth > JSON_DEPTH_MAX)
                return "nested too deep";
        } else if (c == '}' || c == ']')
            depth--;
        else if (c == ',' && ++values > JSON_VALUES_MAX)
            return "too many values";
    }
    return values > JSON_VALUES_MAX ? "too many values" : NULL;
}

static void wrong_type(struct check *check, const struct place *place, const char *wanted)
{
    check_broken(check, place, "type", "must be %s", wanted);
}

typedef void read_fn(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                     void *to);

static void read_text(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    if (!json_is_string(value)) {
        wrong_type(check, place, "a string");
        return;
    }
    const char *text = unicode_nfc(&check->ctx->arena, json_string_value(value));
    check_text(check, place, field, text);
    *(const char **)to = text;
}

/* 3.0 and 1e3 are whole too; past 2^53 a double no longer says which. */
static bool whole(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    double real = json_is_real(value) ? json_real_value(value) : NAN;
    if (!(fabs(real) <= 9007199254740992.0) || real != trunc(real))
        return false;
    *out = (int64_t)real;
    return true;
}

static void read_integer(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                         void *to)
{
    int64_t number;
    if (!whole(value, &number)) {
        wrong_type(check, place, "a whole number");
        return;
    }
    check_number(check, place, field, (double)number);
    *(int64_t *)to = number;
}

static void read_number(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                        void *to)
{
    if (!json_is_number(value)) {
        wrong_type(check, place, "a number");
        return;
    }
    double number = json_number_value(value);
    check_number(check, place, field, number);
    *(double *)to = number;
}

static void read_flag(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    (void)field;
    if (json_is_boolean(value))
        *(bool *)to = json_is_true(value);
    else
        wrong_type(check, place, "true or false");
}

static void read_time(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    (void)field;
    if (!json_is_string(value) || !clock_parse(json_string_value(value), to))
        wrong_type(check, place, "a time such as 2026-11-20T18:52:01Z");
}

static void read_enum(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    if (!json_is_string(value)) {
        wrong_type(check, place, "a string");
        return;
    }
    int index = field_value_index(field, json_string_value(value));
    if (index < 0) {
        struct buf names = BUF(&check->ctx->arena);
        for (int i = 0; field->values[i]; i++)
            buf_printf(&names, "%s%s", i ? ", " : "", field->values[i]);
        check_broken(check, place, "enum", "must be one of %s", names.size ? names.data : "nothing");
        return;
    }
    *(int *)to = index;
}

static void read_json(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    _cleanup_(freep) void *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        abort();
    if (field->max && strlen(text) > field->max)
        check_broken(check, place, "max", "must have at most %zu bytes", field->max);
    *(const char **)to = arena_strdup(&check->ctx->arena, text);
}

static void read_fields(struct check *check, const struct place *up, const struct field *fields, const json_t *object,
                        void *out);

static void read_object(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                        void *out)
{
    if (json_is_object(value))
        read_fields(check, place, field->record, value, out);
    else
        wrong_type(check, place, "an object");
}

static void read_record(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                        void *to)
{
    void *record = arena_alloc(&check->ctx->arena, field->item_size);
    read_object(check, place, field, value, record);
    *(void **)to = record;
}

static read_fn read_list;

static read_fn *const readers[] = {
    [TEXT] = read_text, [ID] = read_text,   [INTEGER] = read_integer, [NUMBER] = read_number, [FLAG] = read_flag,
    [TIME] = read_time, [ENUM] = read_enum, [LIST] = read_list,       [RECORD] = read_record, [JSON] = read_json,
};

static void read_list(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    if (!json_is_array(value)) {
        wrong_type(check, place, "a list");
        return;
    }
    size_t count = json_array_size(value), size = field_item_size(field);
    check_count(check, place, field, count);
    if (field->max && count > field->max)
        return;
    struct field item = field_item(field);
    char *items = arena_alloc(&check->ctx->arena, count * size);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(value, i);
        if (item.kind == RECORD)
            read_object(check, &(struct place){ .up = place, .index = i }, &item, one, items + i * size);
        else
            readers[item.kind](check, place, &item, one, items + i * size);
    }
    *(struct list *)to = (struct list){ .items = items, .count = count };
}

static void read_fields(struct check *check, const struct place *up, const struct field *fields, const json_t *object,
                        void *out)
{
    for (const struct field *field = fields; field->name; field++) {
        struct place place = { .up = up, .name = field->name };
        const json_t *value = json_object_get(object, field->name);
        if (value && !json_is_null(value))
            readers[field->kind](check, &place, field, value, field_at(field, out));
        else if (field->required)
            check_broken(check, &place, "required", "is required");
    }
}

bool record_from_json(struct ctx *ctx, const json_t *object, const struct field *fields, void *out)
{
    if (!json_is_object(object))
        return ctx_fail(ctx, ERROR_INVALID, "the body must be a JSON object");
    struct check check = { .ctx = ctx };
    read_fields(&check, NULL, fields, object, out);
    return !check.broken;
}

bool record_parse(struct ctx *ctx, const char *text, size_t size, const struct field *fields, void *out)
{
    if (size > JSON_SIZE_MAX)
        return ctx_fail(ctx, ERROR_TOO_LARGE, "the JSON is larger than 1 MiB");
    const char *much = too_much(text, size);
    if (much)
        return ctx_fail(ctx, ERROR_INVALID, "the body is not acceptable JSON: %s", much);
    json_error_t error;
    _cleanup_(json_decrefp) json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return ctx_fail(ctx, ERROR_INVALID, "the body is not valid JSON (line %d, column %d)", error.line,
                        error.column);
    return record_from_json(ctx, root, fields, out);
}
