#pragma once
/* What an administrator does with people. */
#include "signin/signin.h"

/* NULL: all. */
struct users_asked {
    const char *role;   /* a code */
    const char *status; /* of user_statuses */
};
/* struct user_view's; a violation of `role` or `status` (enum) for one that is none. */
bool admin_users(struct ctx *ctx, const struct users *users, const struct users_asked *asked, size_t limit,
                 const char *cursor, struct page *out);

/* `by` is the administrator's id: nobody takes ADMIN from themselves, suspends or deletes themselves (ERROR_CONFLICT),
 * so that one is always left. */
struct user_view *admin_set_roles(struct ctx *ctx, const struct users *users, const char *by, const char *id,
                                  const struct list *codes);
struct user_view *admin_set_status(struct ctx *ctx, const struct signin *signin, const char *by, const char *id,
                                   enum user_status status);
bool admin_delete(struct ctx *ctx, const struct signin *signin, const char *by, const char *id);
