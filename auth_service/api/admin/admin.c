#include "admin/admin.h"

#include "base/text.h"
#include "role/role_store.h"
#include "user/user_store.h"

static bool is_status(const char *text)
{
    for (const char *const *status = user_statuses; *status; status++)
        if (text_equal(*status, text))
            return true;
    return false;
}

static bool filter_of(struct ctx *ctx, const struct users *users, const struct users_asked *asked,
                      struct user_filter *out)
{
    const struct role *role = asked->role ? role_store_find(ctx, users->store, asked->role) : NULL;
    *out = (struct user_filter){ .role = role ? role->doc.id : NULL, .status = asked->status };
    if (asked->role && !role && !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return false;
    if (asked->role && !role)
        ctx_violation(ctx, "role", "enum", "role must name a role that exists");
    if (asked->status && !is_status(asked->status))
        ctx_violation(ctx, "status", "enum", "status must be one of those that users have");
    return !ctx->error;
}

bool admin_users(struct ctx *ctx, const struct users *users, const struct users_asked *asked, size_t limit,
                 const char *cursor, struct page *out)
{
    struct user_filter filter;
    if (!filter_of(ctx, users, asked, &filter) || !user_store_page(ctx, users->store, &filter, limit, cursor, out))
        return false;
    const struct user *items = out->items;
    struct user_view *views = arena_array(&ctx->arena, struct user_view, out->count + 1);
    for (size_t i = 0; i < out->count; i++) {
        const struct user_view *view = user_view(ctx, users, &items[i]);
        if (!view)
            return false;
        views[i] = *view;
    }
    out->items = views;
    return true;
}

static bool names(const struct list *codes, const char *code)
{
    const char *const *items = codes->items;
    for (size_t i = 0; i < codes->count; i++)
        if (text_equal(items[i], code))
            return true;
    return false;
}

struct user_view *admin_set_roles(struct ctx *ctx, const struct users *users, const char *by, const char *id,
                                  const struct list *codes)
{
    if (text_equal(by, id) && !names(codes, ROLE_ADMIN))
        return ctx_fail(ctx, ERROR_CONFLICT, "nobody takes ADMIN from themselves");
    const struct user *user = user_set_roles(ctx, users, id, codes);
    return user ? user_view(ctx, users, user) : NULL;
}

struct user_view *admin_set_status(struct ctx *ctx, const struct signin *signin, const char *by, const char *id,
                                   enum user_status status)
{
    if (text_equal(by, id) && status != USER_ACTIVE)
        return ctx_fail(ctx, ERROR_CONFLICT, "nobody suspends themselves");
    const struct user *user = suspend_or_restore(ctx, signin, id, status);
    return user ? user_view(ctx, signin->users, user) : NULL;
}

bool admin_delete(struct ctx *ctx, const struct signin *signin, const char *by, const char *id)
{
    if (text_equal(by, id))
        return ctx_fail(ctx, ERROR_CONFLICT, "no administrator deletes themselves");
    return account_delete(ctx, signin, id);
}
