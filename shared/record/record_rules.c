#include "record/record_kinds.h"

#include "base/catalogue.h"
#include "base/text.h"
#include "record/unicode.h"

#include <stdarg.h>
#include <string.h>

enum { VIOLATIONS_MAX = 64 }; /* who breaks more is told of the first ones */

const char *check_path(const struct check *check, const struct place *place)
{
    struct arena *arena = &check->ctx->arena;
    if (check->broken >= VIOLATIONS_MAX)
        return ""; /* nobody is told */
    const char *step = place->name ? place->name : arena_printf(arena, "%zu", place->index);
    return place->up ? arena_printf(arena, "%s.%s", check_path(check, place->up), step) : step;
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

void check_broken_at(struct check *check, const char *rule, const char *format, ...)
{
    va_list args, all;
    va_start(args, format);
    va_copy(all, args);
    const char *path = va_arg(args, const char *);
    if (check->broken < VIOLATIONS_MAX && !known(check->ctx, path, rule)) {
        ctx_vviolation(check->ctx, path, rule, format, all);
        check->broken++;
    }
    va_end(all);
    va_end(args);
}

static bool has_control(const char *text)
{
    for (text += text_plain(text, strlen(text)); *text;) {
        uint32_t character = utf8_next(&text);
        if (unicode_control(character) && character != '\n' && character != '\t')
            return true;
    }
    return false;
}

/* "1 characters" is nobody's language. */
static void check_least(struct check *check, const struct place *place, size_t least, bool items)
{
    if (least == 1)
        check_broken(check, place, "min", "%s must not be empty");
    else if (items)
        check_broken(check, place, "min", "%s must have at least %zu items", least);
    else
        check_broken(check, place, "min", "%s must have at least %zu characters", least);
}

static void check_most(struct check *check, const struct place *place, size_t most, bool items)
{
    if (items && most == 1)
        check_broken(check, place, "max", "%s must have one item at most");
    else if (items)
        check_broken(check, place, "max", "%s must have at most %zu items", most);
    else if (most == 1)
        check_broken(check, place, "max", "%s must have one character at most");
    else
        check_broken(check, place, "max", "%s must have at most %zu characters", most);
}

static void check_length(struct check *check, const struct place *place, const struct field *field, const char *text)
{
    size_t count = field->min || field->max ? utf8_count(text) : 0;
    if (count < field->min)
        check_least(check, place, field->min, false);
    if (field->max && count > field->max)
        check_most(check, place, field->max, false);
}

/* What a rule by a function asks for. */
static const char *of_rule(const char *rule)
{
    static const struct {
        const char *rule, *message;
    } known_rules[] = {
        { "email", MESSAGE("%s must be an e-mail address") },
        { "url", MESSAGE("%s must be an http or https address") },
        { "uncommon", MESSAGE("%s is one of the commonest: choose another") },
    };
    for (size_t i = 0; i < sizeof known_rules / sizeof *known_rules; i++)
        if (text_equal(rule, known_rules[i].rule))
            return known_rules[i].message;
    return MESSAGE("%s is not valid");
}

void check_text(struct check *check, const struct place *place, const struct field *field, const char *text)
{
    if (!utf8_valid(text, strlen(text))) {
        check_broken(check, place, "type", "%s must be UTF-8");
        return;
    }
    check_length(check, place, field, text);
    if (has_control(text))
        check_broken(check, place, "pattern", "%s must not hold control characters");
    else if (field->pattern && !pattern_matches(check->ctx, field->pattern, text))
        check_broken(check, place, "pattern", "%s has the wrong form");
    if (field->valid && !field->valid(text))
        check_broken(check, place, field->rule ? field->rule : "pattern", of_rule(field->rule));
}

void check_number(struct check *check, const struct place *place, const struct field *field, double value)
{
    if (field->least == 0 && field->most == 0)
        return;
    if (value < field->least)
        check_broken(check, place, "min", "%s must be at least %g", field->least);
    if (value > field->most)
        check_broken(check, place, "max", "%s must be at most %g", field->most);
}

void check_count(struct check *check, const struct place *place, const struct field *field, size_t count)
{
    if (count < field->min)
        check_least(check, place, field->min, true);
    if (field->max && count > field->max)
        check_most(check, place, field->max, true);
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
            check_broken(check, place, "enum", "%s is none of its values");
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
            check_broken(check, &place, "required", "%s is required");
    }
}

bool record_check(struct ctx *ctx, const struct field *fields, const void *record)
{
    struct check check = { .ctx = ctx };
    check_fields(&check, NULL, fields, record);
    return !check.broken;
}
