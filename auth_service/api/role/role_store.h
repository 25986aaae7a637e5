#pragma once
#include "role/role.h"

#include "revocation/announcer.h"

extern const struct collection role_collection;
extern const struct announced roles_announced; /* all of them as one: FEED_ROLES */

/* All of them, at most ROLES_MAX. */
bool role_store_all(struct ctx *ctx, struct store *store, struct role **out, size_t *count);
/* The sum of their versions. */
bool role_store_version(struct ctx *ctx, struct store *store, int64_t *version);
/* ERROR_NOT_FOUND. */
struct role *role_store_find(struct ctx *ctx, struct store *store, const char *code);
/* ERROR_CONFLICT when the code is taken. */
bool role_store_insert(struct ctx *ctx, struct store *store, struct role *role);
/* Permissions, status, announce. ERROR_CONFLICT when it changed since it was read. */
bool role_store_change(struct ctx *ctx, struct store *store, struct role *role);
/* A step of a migration: what the four may that came before roles had permissions. */
bool role_store_seed_permissions(struct ctx *ctx, struct store *store);
