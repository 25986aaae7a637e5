#pragma once
#include "user/user.h"

#include "revocation/announcer.h"

extern const struct collection user_collection;
extern const struct announced user_announced;

/* ERROR_NOT_FOUND, also for what is no id. */
struct user *user_store_get(struct ctx *ctx, struct store *store, const char *id);
struct user *user_store_find(struct ctx *ctx, struct store *store, const char *email);
struct user *user_store_find_linked(struct ctx *ctx, struct store *store, const char *link);
struct user *user_store_find_formerly_linked(struct ctx *ctx, struct store *store, const char *former);
/* Those not found keep doc.id == NULL. At most 100. */
struct user *user_store_get_many(struct ctx *ctx, struct store *store, const char *const *ids, size_t count);
/* NULL: any. */
struct user_filter {
    const char *role;   /* an id */
    const char *status; /* of user_statuses */
};
/* Those that the filter lets through, by age; with a role and no status by status, then age. */
bool user_store_page(struct ctx *ctx, struct store *store, const struct user_filter *filter, size_t limit,
                     const char *cursor, struct page *out);

/* Carries event.user.created. ERROR_CONFLICT when the address is taken. */
bool user_store_insert(struct ctx *ctx, struct store *store, struct user *user);
/* All that may change, with event.user.changed (or deleted, with the address). ERROR_CONFLICT when it changed since it
 * was read. */
bool user_store_change(struct ctx *ctx, struct store *store, struct user *user);
/* The hash alone, silently. */
bool user_store_rehash(struct ctx *ctx, struct store *store, struct user *user);
/* When the newest token with roles was issued, silently. ERROR_CONFLICT. */
bool user_store_note_roles(struct ctx *ctx, struct store *store, struct user *user);
