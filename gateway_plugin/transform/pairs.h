#pragma once
/*
 * Named values in their order, and Kong's five ways to change them. The members
 * of a JSON object (values are JSON text), the fields of a form or a query
 * (values are decoded), or the parts of a multipart form. What is not named stays as it is, byte for byte.
 */
#include "base/buf.h"

#include <stdbool.h>

struct pair {
    const char *name;  /* decoded */
    const char *value; /* not ended by NUL ... */
    size_t size;
    const char *raw; /* the field as it came, up to its comma or &; NULL: it has been changed */
    size_t raw_size;
};

enum pairs_kind { PAIRS_JSON, PAIRS_FORM, PAIRS_MULTIPART /* multipart.h */ };

enum { PAIRS_MAX = 16384 }; /* more are not read */

struct pairs {
    struct arena *arena;
    enum pairs_kind kind;
    struct pair *items;
    size_t count, room;
    bool changed;
    const char *delimiter, *tail; /* PAIRS_MULTIPART: before each part; after the last one's */
    size_t delimiter_size, tail_size;
};

/* The members of one JSON object. false: it is none, or malformed, or there are too many. Values are looked at no
 * further than where they end. */
bool pairs_read_json(struct pairs *pairs, struct arena *arena, const char *data, size_t size);
/* a=1&b=2, after the `?` of a query. false: too many. */
bool pairs_read_form(struct pairs *pairs, struct arena *arena, const char *data, size_t size);
void pairs_write(const struct pairs *pairs, struct buf *out);
/* One more, empty. For who reads. */
struct pair *pairs_put(struct pairs *pairs);

/* `value` is JSON text where the pairs are JSON. They keep what they are given. */
const struct pair *pairs_find(const struct pairs *pairs, const char *name);
void pairs_remove(struct pairs *pairs, const char *name);
/* What has the new name goes, where there is one with the old. */
void pairs_rename(struct pairs *pairs, const char *from, const char *to);
/* Only where there is one. */
void pairs_replace(struct pairs *pairs, const char *name, const char *value);
/* Only where there is none. */
void pairs_add(struct pairs *pairs, const char *name, const char *value);
/* JSON: to the end of a list that there is or that is made; a form: one more field or part. */
void pairs_append(struct pairs *pairs, const char *name, const char *value);
