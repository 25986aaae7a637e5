#pragma once
/*
 * A struct described once. The table drives JSON in (with validation), JSON out
 * and BSON both ways. Text members are `const char *` owned by ctx->arena.
 *
 * kind     member type          JSON                         BSON
 * TEXT     const char *         string                       utf8
 * ID       const char *         string                       utf8
 * INTEGER  int64_t              integer                      int64
 * NUMBER   double               number                       double
 * FLAG     bool                 true, false                  bool
 * TIME     int64_t (unix ms)    "2026-11-20T18:52:01.123Z"   date
 * ENUM     int (values[] index) string, one of values        utf8
 * LIST     struct list          array of `item`s             array
 * RECORD   struct X *           object                       document
 * JSON     json text const char*  any value, kept as it came  utf8 (out: written raw)
 *
 * Zero (NULL, 0, false, an empty list) is "absent": an absent field is left
 * out on output unless it is `always` (then "", 0, false, [] are written, and
 * null for an absent TEXT, ID, TIME, RECORD). FLAG and ENUM are always written.
 */
#include "base/buf.h"
#include "base/ctx.h"

#include <bson/bson.h>
#include <jansson.h>
#include <stddef.h>

enum field_kind { TEXT = 1, ID, INTEGER, NUMBER, FLAG, TIME, ENUM, LIST, RECORD, JSON };

/* LIST: `count` items one after the other: const char *[] for TEXT and ID, int64_t[], double[], or struct X[] for
 * RECORD. */
struct list {
    void *items;
    size_t count;
};

struct field {
    const char *name; /* on the wire and in the store */
    enum field_kind kind;
    size_t offset;
    bool required;       /* in: must be there */
    bool always;         /* out: written even when absent */
    bool sensitive;      /* never in a log */
    size_t min, max;     /* TEXT, ID: characters; LIST: items; JSON: bytes, max only; 0 = unbounded */
    double least, most;  /* INTEGER, NUMBER: both 0 = unbounded */
    const char *pattern; /* TEXT, items of LIST: PCRE2 (UTF, UCP, $ at the end only), anchored as written; compiled once
                            and kept */
    bool (*valid)(const char *text); /* TEXT: a further rule ... */
    const char *rule;                /* ... and its name in a violation: "email", "url" */
    const char *const *values;       /* ENUM: NULL-terminated */
    enum field_kind item;            /* LIST */
    size_t item_size;                /* RECORD, LIST of RECORD: sizeof of one */
    const struct field *record;      /* RECORD, LIST of RECORD */
    const char *doc;                 /* for docs/api.md */
};

#define FIELD(name_, kind_, type_, member_, ...)                                                                       \
    {                                                                                                                  \
        .name = (name_), .kind = (kind_), .offset = offsetof(type_, member_), ##__VA_ARGS__                            \
    }

/*
 * Parses `text` (at most 1 MiB, else ERROR_TOO_LARGE; 16 levels deep, 100,000
 * values, no duplicate keys, valid UTF-8, no NUL) and fills `out`. Every
 * violation of every field is in ctx->error (the first 64), one per field and
 * rule; a record in a list is "entries.3.title", an item of another list is its
 * list ("tags"). Unknown fields are ignored, null counts as absent, and members
 * of absent fields are left as they were. Text is normalised to NFC. TEXT:
 * control characters other than \n and \t are a violation of "pattern".
 */
bool record_parse(struct ctx *ctx, const char *text, size_t size, const struct field *fields, void *out);
bool record_from_json(struct ctx *ctx, const json_t *object, const struct field *fields, void *out);
/* The same, where the members that `names` (by comma) tells stood in an address, so are texts: "5" is a number and
 * "true" a flag where the table says so, one text is a list of one. */
bool record_parse_address(struct ctx *ctx, const char *text, size_t size, const struct field *fields, const char *names,
                          void *out);
/* Checks the rules on a struct that did not come from JSON (a query, a tag). A 0 that is not required is absent; a
 * required one is held to least and most. */
bool record_check(struct ctx *ctx, const struct field *fields, const void *record);

/* Appends `record` as a JSON object. */
void record_json(struct buf *out, const struct field *fields, const void *record);

/* BSON that lacks a field leaves it absent; a field of another type fails with ERROR_INTERNAL. Unknown ones are
 * ignored. */
bool record_from_bson(struct ctx *ctx, const bson_t *doc, const struct field *fields, void *out);
/* Absent fields are not written, FLAG and ENUM always. */
void record_to_bson(bson_t *doc, const struct field *fields, const void *record);

/* JSON Schema (2020-12) of a table, for `tonearm contract` and docs. */
void record_schema(struct buf *out, const struct field *fields);

const struct field *field_named(const struct field *fields, const char *name);

/* Rules for .valid */
bool is_email(const char *text); /* addr-spec of RFC 5321 as people use it; non-ASCII allowed (RFC 6531) */
bool is_http_url(const char *text);
/* What two spellings of one address have in common: NFC, case folded, the domain lower-cased. */
char *email_key(struct arena *arena, const char *email);
