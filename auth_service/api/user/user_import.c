#include "user/name_pattern.h"
#include "user/user_store.h"

/* Cost 4 to 15: what password_matches() takes. */
static const char bcrypt[] = "^\\$2[aby]\\$(0[4-9]|1[0-5])\\$[./A-Za-z0-9]{53}$";

const struct field imported_user_fields[] = {
    FIELD("email", TEXT, struct new_user, email, .required = true, .max = USER_EMAIL_MAX, .valid = is_email,
          .rule = "email", .sensitive = true),
    FIELD("name", TEXT, struct new_user, name, .required = true, .min = USER_NAME_MIN, .max = USER_NAME_MAX,
          .pattern = NAME_PATTERN),
    FIELD("password", TEXT, struct new_user, hash, .pattern = bcrypt, .sensitive = true),
    FIELD("roles", LIST, struct new_user, roles, .item = TEXT, .max = 16),
    FIELD("status", ENUM, struct new_user, status, .values = user_statuses_settable),
    FIELD("profilePicUrl", TEXT, struct new_user, picture, .max = USER_PICTURE_MAX, .valid = is_http_url,
          .rule = "url"),
    { 0 },
};

bool user_import(struct ctx *ctx, const struct users *users, const struct new_user *in, struct user **made)
{
    *made = user_create(ctx, users, in);
    return *made || ctx_forgive(ctx, ERROR_CONFLICT);
}
