#pragma once
/* The keys of documents in indexes, made from their BSON by what is declared. */
#include "store/backend.h"

struct entry {
    struct key keys[INDEX_FIELDS];
};

/* An index field as a key: utf8 as text; integers, dates and flags as an integer. false: not of these, or absent. */
bool key_of(const bson_t *fields, const char *name, struct key *out);
int key_compare(const struct key *a, const struct key *b);
bool key_fits(const struct key *key); /* not longer than KEY_MAX */

/*
 * The entries of a document, sorted, without duplicates; *count 0 when it lacks
 * a field. Texts point into `fields`. False (ERROR_INVALID) when a key is too
 * long or there are too many.
 */
bool entries_of(struct ctx *ctx, const struct declared *index, const bson_t *fields, struct entry **out, size_t *count);
bool entries_equal(const struct declared *index, const struct entry *a, size_t a_count, const struct entry *b,
                   size_t b_count);
/* Does this write touch a field of the index? */
bool index_touched(const struct declared *index, const char *const *names);

/* `old` without the fields named `gone`, with those of `set`. */
void fields_change(bson_t *out, const bson_t *old, const char *const *gone, const bson_t *set);
