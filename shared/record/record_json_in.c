#include "record/record_kinds.h"

#include "base/catalogue.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "record/unicode.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
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
                return MESSAGE("the JSON is nested too deep");
        } else if (c == '}' || c == ']')
            depth--;
        else if (c == ',' && ++values > JSON_VALUES_MAX)
            return MESSAGE("the JSON has too many values");
    }
    return values > JSON_VALUES_MAX ? MESSAGE("the JSON has too many values") : NULL;
}

typedef void read_fn(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                     void *to);

static void read_text(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    if (!json_is_string(value)) {
        check_broken(check, place, "type", "%s must be a string");
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
        check_broken(check, place, "type", "%s must be a whole number");
        return;
    }
    check_number(check, place, field, (double)number);
    *(int64_t *)to = number;
}

static void read_number(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                        void *to)
{
    if (!json_is_number(value)) {
        check_broken(check, place, "type", "%s must be a number");
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
        check_broken(check, place, "type", "%s must be true or false");
}

static void read_time(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    (void)field;
    if (!json_is_string(value) || !clock_parse(json_string_value(value), to))
        check_broken(check, place, "type", "%s must be a time such as 2026-11-20T18:52:01Z");
}

static void read_enum(struct check *check, const struct place *place, const struct field *field, const json_t *value,
                      void *to)
{
    if (!json_is_string(value)) {
        check_broken(check, place, "type", "%s must be a string");
        return;
    }
    int index = field_value_index(field, json_string_value(value));
    if (index < 0) {
        struct buf names = BUF(&check->ctx->arena);
        for (int i = 0; field->values[i]; i++)
            buf_printf(&names, "%s%s", i ? ", " : "", field->values[i]);
        check_broken(check, place, "enum", "%s must be one of %s", names.size ? names.data : "");
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
        check_broken(check, place, "max", "%s must have at most %zu bytes", field->max);
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
        check_broken(check, place, "type", "%s must be an object");
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
        check_broken(check, place, "type", "%s must be a list");
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
            check_broken(check, &place, "required", "%s is required");
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

/* NULL: it stays a text, and the table says what is wrong with that. */
static json_t *typed(const struct field *field, const char *text)
{
    int64_t whole_number;
    char *end;
    bool negative = *text == '-';
    if (field->kind == INTEGER && text_number(text + negative, INT64_MAX, &whole_number))
        return json_integer(negative ? -whole_number : whole_number);
    if (field->kind == NUMBER && (isdigit((unsigned char)text[negative]))) {
        double number = strtod(text, &end);
        return *end ? NULL : json_real(number);
    }
    if (field->kind == FLAG && (text_equal(text, "true") || text_equal(text, "false")))
        return json_boolean(*text == 't');
    return NULL;
}

static json_t *typed_list(const struct field *field, const json_t *value)
{
    struct field item = field_item(field);
    json_t *list = json_array();
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_is_array(value) ? json_array_get(value, i) : (json_t *)value;
        json_t *better = json_is_string(one) ? typed(&item, json_string_value(one)) : NULL;
        json_array_append_new(list, better ? better : json_incref(one));
    }
    return list;
}

static void retype(json_t *object, const struct field *fields, const char *name)
{
    const struct field *field = field_named(fields, name);
    json_t *value = json_object_get(object, name);
    if (!field || !value)
        return;
    json_t *better = NULL;
    if (field->kind == LIST)
        better = typed_list(field, value);
    else if (json_is_string(value))
        better = typed(field, json_string_value(value));
    if (better)
        json_object_set_new(object, name, better);
}

static bool holds_nul(const json_t *value)
{
    bool holds = json_is_string(value) && strlen(json_string_value(value)) < json_string_length(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        holds |= holds_nul(json_array_get(value, i));
    return holds;
}

/* "\u0000" is right in JSON and in no text of ours: which fields hold it is told as of other control characters. */
static bool tell_nul(struct ctx *ctx, const char *text, size_t size, const struct field *fields)
{
    struct check check = { .ctx = ctx };
    _cleanup_(json_decrefp) json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    for (const struct field *field = fields; field->name; field++) {
        struct place place = { .name = field->name };
        if (holds_nul(json_object_get(root, field->name)))
            check_broken(&check, &place, "pattern", "%s must not hold control characters");
    }
    return check.broken;
}

static json_t *load(struct ctx *ctx, const char *text, size_t size, const struct field *fields)
{
    const char *much = too_much(text, size);
    if (much)
        return ctx_fail(ctx, ERROR_INVALID, "%s", much);
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (root || (json_error_code(&error) == json_error_null_character && tell_nul(ctx, text, size, fields)))
        return root;
    return ctx_fail(ctx, ERROR_INVALID, "the body is not valid JSON (line %d, column %d)", error.line, error.column);
}

bool record_parse_address(struct ctx *ctx, const char *text, size_t size, const struct field *fields, const char *names,
                          void *out)
{
    if (size > JSON_SIZE_MAX)
        return ctx_fail(ctx, ERROR_TOO_LARGE, "the JSON is larger than 1 MiB");
    _cleanup_(json_decrefp) json_t *root = load(ctx, text, size, fields);
    if (!root)
        return false;
    char *rest = arena_strdup(&ctx->arena, names), *name;
    while (json_is_object(root) && (name = strsep(&rest, ",")))
        retype(root, fields, name);
    return record_from_json(ctx, root, fields, out);
}

bool record_parse(struct ctx *ctx, const char *text, size_t size, const struct field *fields, void *out)
{
    if (size > JSON_SIZE_MAX)
        return ctx_fail(ctx, ERROR_TOO_LARGE, "the JSON is larger than 1 MiB");
    struct check check = { .ctx = ctx };
    if (plain_read(&check, text, size, fields, out))
        return !check.broken;
    _cleanup_(json_decrefp) json_t *root = load(ctx, text, size, fields);
    return root && record_from_json(ctx, root, fields, out);
}
