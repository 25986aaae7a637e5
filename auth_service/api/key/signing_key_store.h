#pragma once
#include "key/signing_key.h"

extern const struct collection signing_key_collection;

enum { SIGNING_KEYS_MAX = 32 };

/* By ordinal, newest first. */
bool signing_key_store_all(struct ctx *ctx, struct store *store, struct signing_key **out, size_t *count);
/* ERROR_CONFLICT when the ordinal (or the kid) is taken. */
bool signing_key_store_insert(struct ctx *ctx, struct store *store, struct signing_key *key);
