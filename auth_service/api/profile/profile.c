#include "profile/profile.h"

#include "base/random.h"
#include "user/user_store.h"

struct user_view *profile_mine(struct ctx *ctx, const struct users *users, const char *id)
{
    const struct user *user = user_get(ctx, users, id);
    return user ? user_view(ctx, users, user) : NULL;
}

static bool apply(struct ctx *ctx, struct user *user, const void *with)
{
    (void)ctx;
    const struct profile_change *change = with;
    if (change->name)
        user->name = change->name;
    if (change->locale)
        user->locale = change->locale;
    if (change->picture)
        user->picture = *change->picture ? change->picture : NULL;
    return true;
}

struct user_view *profile_change(struct ctx *ctx, const struct users *users, const char *id,
                                 const struct profile_change *change)
{
    if (!change->name && !change->locale && !change->picture)
        return profile_mine(ctx, users, id);
    const struct user *user = user_edit(ctx, users, id, apply, change);
    return user ? user_view(ctx, users, user) : NULL;
}

static struct list valid_ids(struct ctx *ctx, const struct list *ids)
{
    const char *const *items = ids->items;
    const char **valid = arena_array(&ctx->arena, const char *, ids->count + 1);
    struct list out = { .items = valid };
    for (size_t i = 0; i < ids->count; i++)
        if (id_valid(items[i]))
            valid[out.count++] = items[i];
    return out;
}

bool profile_public(struct ctx *ctx, const struct users *users, const struct list *ids, struct list *out)
{
    struct list valid = valid_ids(ctx, ids);
    struct public_user *shown = arena_array(&ctx->arena, struct public_user, valid.count + 1);
    *out = (struct list){ .items = shown };
    if (valid.count == 0)
        return true;
    const struct user *found = user_store_get_many(ctx, users->store, valid.items, valid.count);
    for (size_t i = 0; found && i < valid.count; i++)
        if (found[i].doc.id && found[i].status != USER_DELETED)
            shown[out->count++] = (struct public_user){ found[i].doc.id, found[i].name, .picture = found[i].picture };
    return found;
}
