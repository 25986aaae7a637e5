#include "admin/admin.h"

#include "base/text.h"
#include "user/user_store.h"

bool admin_users(struct ctx *ctx, const struct users *users, size_t limit, const char *cursor, struct page *out)
{
    if (!user_store_page(ctx, users->store, limit, cursor, out))
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
