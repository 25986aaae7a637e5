#pragma once
#include "role/role.h"

extern const struct collection role_collection;

/* All of them, at most ROLES_MAX. */
bool role_store_all(struct ctx *ctx, struct store *store, struct role **out, size_t *count);
