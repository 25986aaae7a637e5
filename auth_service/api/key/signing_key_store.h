#pragma once
#include "key/signing_key.h"

#include "revocation/announcer.h"

extern const struct collection signing_key_collection;
extern const struct announced signing_key_announced; /* told as a session whose id is the kid */

enum { SIGNING_KEYS_MAX = 32 };

/* By ordinal, newest first. */
bool signing_key_store_all(struct ctx *ctx, struct store *store, struct signing_key **out, size_t *count);
/* ERROR_CONFLICT when the ordinal (or the kid) is taken. */
bool signing_key_store_insert(struct ctx *ctx, struct store *store, struct signing_key *key);
/* Writes `until` and `announce`. ERROR_CONFLICT when it changed since it was read. */
bool signing_key_store_revoke(struct ctx *ctx, struct store *store, struct signing_key *key);
/* As it was read; true also where another has done so. */
bool signing_key_store_forget(struct ctx *ctx, struct store *store, const struct signing_key *key);
