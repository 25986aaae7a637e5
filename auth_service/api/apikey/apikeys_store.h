#pragma once
#include "apikey/apikeys.h"
#include "revocation/announcer.h"

extern const struct collection apikey_collection;
extern const struct announced apikey_announced;

struct apikey *apikey_store_get(struct ctx *ctx, struct store *store, const char *id);
bool apikey_store_insert(struct ctx *ctx, struct store *store, struct apikey *apikey);
bool apikey_store_page(struct ctx *ctx, struct store *store, size_t limit, const char *cursor, struct page *out);
/* ERROR_CONFLICT when it changed since it was read. */
bool apikey_store_revoke(struct ctx *ctx, struct store *store, struct apikey *apikey);
/* The same: usedAt alone, and nobody is told. */
bool apikey_store_use(struct ctx *ctx, struct store *store, struct apikey *apikey);
