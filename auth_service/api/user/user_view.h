#pragma once
/* A user as shown: each table tells who may see what. */
#include "user/user.h"

struct user_view {
    const char *id, *email, *name, *picture, *locale;
    struct list roles;          /* of struct role_ref: those that count */
    struct list disabled_roles; /* of struct role_ref */
    int status;
    bool verified; /* the address */
    int64_t created_at;
};

extern const struct field user_own_fields[];     /* id, email, name, profilePicUrl, roles: to oneself at sign-in */
extern const struct field user_profile_fields[]; /* and locale, emailVerified */
extern const struct field user_admin_fields[];   /* and disabledRoles, status, createdAt */

struct user_view *user_view(struct ctx *ctx, const struct users *users, const struct user *user);
