#pragma once
/* Checks of what a process declares, and names for it. */
#include "store/backend.h"

/* Letters, digits and _, a letter first, at most 48: names of services, collections and indexes. */
bool name_is_plain(const char *name);
/* ERROR_INTERNAL for a collection whose indexes cannot be. */
bool collection_check(struct ctx *ctx, const struct collection *of);
size_t index_fields(const struct index *index);
/* The same name, fields and uniqueness. */
bool index_is_declared(const struct index *index, const struct declared *declared);
bool declared_equal(const struct declared *a, const struct declared *b);
/* An id that can be stored: 1 to ID_MAX bytes of UTF-8. */
bool id_is_storable(const char *id);
