#include "record/record_kinds.h"

#include "base/text.h"
#include "record/unicode.h"

#include <stdarg.h>
#include <string.h>

enum { VIOLATIONS_MAX = 64 }; /* who breaks more is told of the first ones */

/* "entries.3.title" */
static const char *path_of(struct ctx *ctx, const struct place *place)
{
    const char *step = place->name ? place->name : arena_printf(&ctx->arena, "%zu", place->index);
    return place->up ? arena_printf(&ctx->arena, "%s.%s", path_of(ctx, place->up), step) : step;
}

static bool known(const struct ctx *ctx, const char *path, const char *rule)
{
    if (!ctx->error || ctx->error->code != ERROR_INVALID)
        return false;
    for (const struct violation *v = ctx->error->violations; v; v = v->next)
        if (text_equal(v->field, path) && text_equal(v->rule, rule))
            return true;
    return false;
}

void check_broken(struct check *check, const struct place *place, const char *rule, const char *format, ...)
{
    if (check->broken >= VIOLATIONS_MAX)
        return;
    const char *path = path_of(check->ctx, place);
    if (known(check->ctx, path, rule))
        return;
    va_list args;
    va_start(args, format);
    const char *words = arena_vprintf(&check->ctx->arena, format, args);
    va_end(args);
    ctx_violation(check->ctx, path, rule, "%s %s", path, words);
    check->broken++;
}

static bool has_control(const char *text)
{
    while (*text) {
        uint32_t character = utf8_next(&text);
        if (unicode_control(character) && character != '\n' && character != '\t')
            return true;
    }
    return false;
}

static void check_length(struct check *check, const struct place *place, const struct field *field, const char *text)
{
    size_t count = field->min || field->max ? utf8_count(text) : 0;
    if (count < field->min)
        check_broken(check, place, "min", "must have at least %zu character%s", field->min, field->min == 1 ? "" : "s");
    if (field->max && count > field->max)
        check_broken(check, place, "max", "must have at most %zu character%s", field->max, field->max == 1 ? "" : "s");
}

void check_text(struct check *check, const struct place *place, const struct field *field, const char *text)
{
    if (!utf8_valid(text, strlen(text))) {
        check_broken(check, place, "type", "must be UTF-8");
        return;
    }
    check_length(check, place, field, text);
    if (has_control(text))
        check_broken(check, place, "pattern", "must not hold control characters");
    else if (field->pattern && !pattern_matches(check->ctx, field->pattern, text))
        check_broken(check, place, "pattern", "has the wrong form");
    if (field->valid && !field->valid(text))
        check_broken(check, place, field->rule ? field->rule : "pattern", "is not valid");
}

void check_number(struct check *check, const struct place *place, const struct field *field, double value)
{
    if (field->least == 0 && field->most == 0)
        return;
    if (value < field->least)
        check_broken(check, place, "min", "must be at least %g", field->least);
    if (value > field->most)
        check_broken(check, place, "max", "must be at most %g", field->most);
}

void check_count(struct check *check, const struct place *place, const struct field *field, size_t count)
{
    if (count < field->min)
        check_broken(check, place, "min", "must have at least %zu item%s", field->min, field->min == 1 ? "" : "s");
    if (field->max && count > field->max)
        check_broken(check, place, "max", "must have at most %zu item%s", field->max, field->max == 1 ? "" : "s");
}

static void check_fields(struct check *check, const struct place *up, const struct field *fields, const void *record);

static void check_list(struct check *check, const struct place *place, const struct field *field,
                       const struct list *list);

/* `at` holds a value of the field's kind, except that a RECORD is a pointer to it. */
static void check_value(struct check *check, const struct place *place, const struct field *field, const void *at)
{
    switch (field->kind) {
    case TEXT:
    case ID:
        check_text(check, place, field, *(const char *const *)at);
        break;
    case INTEGER:
        check_number(check, place, field, (double)*(const int64_t *)at);
        break;
    case NUMBER:
        check_number(check, place, field, *(const double *)at);
        break;
    case ENUM:
        if (!field_value_name(field, *(const int *)at))
            check_broken(check, place, "enum", "is none of its values");
        break;
    case LIST:
        check_list(check, place, field, at);
        break;
    case RECORD:
        check_fields(check, place, field->record, *(const void *const *)at);
        break;
    default:
        break;
    }
}

static void check_list(struct check *check, const struct place *place, const struct field *field,
                       const struct list *list)
{
    check_count(check, place, field, list->count);
    if (field->max && list->count > field->max)
        return;
    struct field item = field_item(field);
    size_t size = field_item_size(field);
    for (size_t i = 0; i < list->count; i++) {
        const char *at = (const char *)list->items + i * size;
        if (item.kind == RECORD)
            check_fields(check, &(struct place){ .up = place, .index = i }, item.record, at);
        else if (item.kind != TEXT || *(const char *const *)at)
            check_value(check, place, &item, at);
    }
}

/* 0 may be meant where there is only a struct: a required number is held to its bounds instead. */
static bool zero_is_a_value(enum field_kind kind)
{
    return kind == FLAG || kind == ENUM || kind == INTEGER || kind == NUMBER;
}

static void check_fields(struct check *check, const struct place *up, const struct field *fields, const void *record)
{
    for (const struct field *field = fields; field->name; field++) {
        struct place place = { .up = up, .name = field->name };
        const void *at = field_in(field, record);
        if (!field_absent(field, at) || (field->required && zero_is_a_value(field->kind)))
            check_value(check, &place, field, at);
        else if (field->required)
            check_broken(check, &place, "required", "is required");
    }
}

bool record_check(struct ctx *ctx, const struct field *fields, const void *record)
{
    struct check check = { .ctx = ctx };
    check_fields(&check, NULL, fields, record);
    return !check.broken;
}
