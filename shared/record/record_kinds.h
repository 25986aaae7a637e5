#pragma once
/* What the files of this folder share: where a member lies, which field an item of a list is, where in the input a
 * value stands. */
#include "record/record.h"

static inline void *field_at(const struct field *field, void *record)
{
    return (char *)record + field->offset;
}

static inline const void *field_in(const struct field *field, const void *record)
{
    return (const char *)record + field->offset;
}

/* An item of a list as a field of its own: the list's bounds are on its length, its other rules on the items. */
struct field field_item(const struct field *list);
/* Bytes of one item of the list. */
size_t field_item_size(const struct field *list);
/* True where `at` holds the kind's zero. */
bool field_absent(const struct field *field, const void *at);
/* Index of `text` among the values of an ENUM; -1 where it is none. */
int field_value_index(const struct field *field, const char *text);
/* Name of the value `index` of an ENUM; NULL where there is none. */
const char *field_value_name(const struct field *field, int index);

/* Where a value stands: the steps down from the root, for "entries.3.title". */
struct place {
    const struct place *up;
    const char *name; /* NULL: item number `index` of a list */
    size_t index;
};

/* One look over one input. */
struct check {
    struct ctx *ctx;
    size_t broken; /* rules, up to a bound */
};

/* Notes that the value at `place` breaks `rule`; once for each place and rule. The first argument of the format, before
 * those that are given, is where the place is: "%s is required". */
#define check_broken(check, place, rule, format, ...)                                                                  \
    check_broken_at((check), (rule), (format), check_path((check), (place)), ##__VA_ARGS__)
void check_broken_at(struct check *check, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "entries.3.title" */
const char *check_path(const struct check *check, const struct place *place);
void check_text(struct check *check, const struct place *place, const struct field *field, const char *text);
void check_number(struct check *check, const struct place *place, const struct field *field, double value);
/* The length of a list. */
void check_count(struct check *check, const struct place *place, const struct field *field, size_t count);

/* Reads an object of plain texts, each named once in the table: what the parser of JSON would make of it, sooner.
 * false: it is something else, and nothing has been done. */
bool plain_read(struct check *check, const char *text, size_t size, const struct field *fields, void *out);

/* Does `text` match? Compiled patterns are kept, up to a bound. false with an error in ctx where the pattern is not
 * one. */
bool pattern_matches(struct ctx *ctx, const char *pattern, const char *text);
