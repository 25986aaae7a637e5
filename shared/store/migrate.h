#pragma once
/*
 * Migrations: DIR/0001_name.json, 0002_..., applied in order, recorded with
 * their checksum, under a lease, so that replicas started at once apply each
 * once. Idempotent and resumable. A file:
 *   {"collections":[{"name":"users","indexes":[{"name":"by_email","on":["emailKey"],"unique":true}]}],
 *    "documents":[{"collection":"roles","id":"ADMIN","fields":{...}}],     inserted where absent
 *    "steps":["name of a C step"]}
 */
#include "store/store.h"

struct migration_step {
    const char *name;
    bool (*run)(struct ctx *ctx, struct store *store); /* idempotent, resumable */
};

/* Applies what is missing; where the store is away, or too busy to answer, for at most 30 s more. A recorded migration
 * whose file has changed, an unknown step or a broken file fails with its name. `applied` (may be NULL) counts. */
bool migrate(struct ctx *ctx, struct store *store, const char *dir, const struct migration_step *steps,
             size_t *applied);
/* Fails with ERROR_UNAVAILABLE when a migration of `dir` is not applied, or an index of the collections given to
 * store_open() is not declared. */
bool migrate_check(struct ctx *ctx, struct store *store, const char *dir);
