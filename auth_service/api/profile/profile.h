#pragma once
/* What people show of themselves. */
#include "user/user_view.h"

struct profile_change {
    const char *name, *picture, *locale; /* NULL: stays; picture "": goes */
};

struct user_view *profile_mine(struct ctx *ctx, const struct users *users, const char *id);
struct user_view *profile_change(struct ctx *ctx, const struct users *users, const char *id,
                                 const struct profile_change *change);
/* Those who are there, in the order of `ids` (const char *, at most 100), as struct public_user. */
bool profile_public(struct ctx *ctx, const struct users *users, const struct list *ids, struct list *out);
