#pragma once
/*
 * What stands in a request's address, as fields of a message: parts of the path
 * and the query. All are texts; a name that the query repeats is a list of them.
 */
#include "subject/nats_subject.h"

enum { FIELDS_MAX = 64, FIELD_NAME_MAX = 64 };

struct address_field {
    const char *name, *value; /* the arena's */
};

struct address_fields {
    struct arena *arena;
    struct address_field *items; /* a name may be there several times */
    size_t count;
};

/* false: there are too many, or escapes that say nothing. What the path says comes before what the query says. A name
 * that is none (letters, digits and _.-[]) is left out. `query` without its `?`. */
bool address_fields_read(struct address_fields *fields, struct arena *arena, const struct nats_subject *subject,
                         const struct params *params, const char *query, size_t size);
/* The names by comma. */
const char *address_fields_names(const struct address_fields *fields);

enum merge { MERGED, MERGE_KEPT, MERGE_BAD };

/*
 * The body with the fields in it: they stand in place of what it has under these names. KEPT: it is no
 * object, and stays as it is. BAD: it begins as an object and is none.
 */
enum merge address_fields_merge(const struct address_fields *fields, const char *body, size_t size, struct buf *out);
