#pragma once
#include "app_password/app_password.h"

extern const struct collection app_password_collection;

/* ERROR_CONFLICT when one of this user, epoch and name is there. */
bool app_password_store_insert(struct ctx *ctx, struct store *store, struct app_password *password);
/* ERROR_NOT_FOUND, also for what is no id. */
struct app_password *app_password_store_get(struct ctx *ctx, struct store *store, const char *id);
/* Of one user and epoch, by name; one more than APP_PASSWORDS_MAX at most. */
bool app_password_store_of(struct ctx *ctx, struct store *store, const char *user_id, int64_t epoch, struct page *out);
/* ERROR_NOT_FOUND where it has gone meanwhile. */
bool app_password_store_remove(struct ctx *ctx, struct store *store, const struct app_password *password);
/* All of this user that were made before this epoch. */
bool app_password_store_remove_before(struct ctx *ctx, struct store *store, const char *user_id, int64_t epoch);
