#pragma once
/* What an administrator does with people. */
#include "signin/signin.h"

/* struct user_view's, by age. */
bool admin_users(struct ctx *ctx, const struct users *users, size_t limit, const char *cursor, struct page *out);

/* `by` is the administrator's id: nobody takes ADMIN from themselves, or suspends themselves (ERROR_CONFLICT), so that
 * one is always left. */
struct user_view *admin_set_roles(struct ctx *ctx, const struct users *users, const char *by, const char *id,
                                  const struct list *codes);
struct user_view *admin_set_status(struct ctx *ctx, const struct signin *signin, const char *by, const char *id,
                                   enum user_status status);
