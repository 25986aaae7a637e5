#include "user/user_view.h"

#define OWN_FIELDS                                                                                                     \
    FIELD("id", ID, struct user_view, id, .required = true),                                                           \
        FIELD("email", TEXT, struct user_view, email, .required = true),                                               \
        FIELD("name", TEXT, struct user_view, name, .required = true),                                                 \
        FIELD("profilePicUrl", TEXT, struct user_view, picture, .always = true),                                       \
        FIELD("roles", LIST, struct user_view, roles, .item = RECORD, .always = true,                                  \
              .item_size = sizeof(struct role_ref), .record = role_ref_fields)

const struct field user_own_fields[] = { OWN_FIELDS, { 0 } };

const struct field user_profile_fields[] = {
    OWN_FIELDS,
    FIELD("locale", TEXT, struct user_view, locale, .always = true),
    FIELD("emailVerified", FLAG, struct user_view, verified,
          .doc = "by a code, or by a provider that they signed in with"),
    { 0 },
};

const struct field user_admin_fields[] = {
    OWN_FIELDS,
    FIELD("locale", TEXT, struct user_view, locale, .always = true),
    FIELD("emailVerified", FLAG, struct user_view, verified,
          .doc = "by a code, or by a provider that they signed in with"),
    FIELD("disabledRoles", LIST, struct user_view, disabled_roles, .item = RECORD, .always = true,
          .item_size = sizeof(struct role_ref), .record = role_ref_fields,
          .doc = "roles that the user has and that count for nothing while they are disabled"),
    FIELD("status", ENUM, struct user_view, status, .values = user_statuses),
    FIELD("createdAt", TIME, struct user_view, created_at),
    { 0 },
};

struct user_view *user_view(struct ctx *ctx, const struct users *users, const struct user *user)
{
    struct user_view *view = arena_new(&ctx->arena, struct user_view);
    *view = (struct user_view){
        .id = user->doc.id,
        .email = user->email,
        .name = user->name,
        .picture = user->picture,
        .locale = user->locale ? user->locale : "en",
        .status = user->status,
        .verified = user->verified_at != 0,
        .created_at = user->created_at,
    };
    return roles_refs(ctx, users->roles, &user->roles, &view->roles, NULL) &&
                   roles_refs_disabled(ctx, users->roles, &user->roles, &view->disabled_roles)
               ? view
               : NULL;
}
