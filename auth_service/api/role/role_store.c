#include "role/role_store.h"

#include "audit/deed.h"

const char *const role_statuses[] = { "ACTIVE", "DISABLED", NULL };

static const struct field role_fields[] = {
    FIELD("code", TEXT, struct role, code, .required = true),
    FIELD("permissions", LIST, struct role, permissions, .item = TEXT),
    FIELD("status", ENUM, struct role, status, .values = role_statuses),
    FIELD("announce", TIME, struct role, announce),
    { 0 },
};

const struct collection role_collection = {
    .name = "roles",
    .fields = role_fields,
    .size = sizeof(struct role),
    .indexes = (const struct index[]){ { "by_code", { "code" }, .unique = true }, { 0 } },
};

bool role_store_all(struct ctx *ctx, struct store *store, struct role **out, size_t *count)
{
    struct page page;
    if (!store_scan(ctx, store, &role_collection, &(struct scan){ .limit = ROLES_MAX }, &page))
        return false;
    *out = page.items;
    *count = page.count;
    return true;
}

bool role_store_version(struct ctx *ctx, struct store *store, int64_t *version)
{
    struct role *roles;
    size_t count;
    if (!role_store_all(ctx, store, &roles, &count))
        return false;
    *version = 0;
    for (size_t i = 0; i < count; i++)
        *version += roles[i].doc.version;
    return true;
}

struct role *role_store_find(struct ctx *ctx, struct store *store, const char *code)
{
    struct key key = KEY_TEXT(code);
    struct role *role = arena_new(&ctx->arena, struct role);
    if (store_find(ctx, store, &role_collection, "by_code", &key, 1, role))
        return role;
    if (ctx_forgive(ctx, ERROR_NOT_FOUND))
        ctx_fail(ctx, ERROR_NOT_FOUND, "role not found");
    return NULL;
}

bool role_store_insert(struct ctx *ctx, struct store *store, struct role *role)
{
    return deed_written(ctx, store_insert(ctx, store, &role_collection, role, deed_with(ctx, NO_EVENTS)));
}

bool role_store_change(struct ctx *ctx, struct store *store, struct role *role)
{
    struct update update = { .set = FIELDS("permissions", "status", "announce"), .events = deed_with(ctx, NO_EVENTS) };
    return deed_written(ctx, store_update(ctx, store, &role_collection, role, update));
}

static bool seed(struct ctx *ctx, struct store *store, const char *code, const char *permission)
{
    struct role *role = role_store_find(ctx, store, code);
    if (!role)
        return ctx_forgive(ctx, ERROR_NOT_FOUND);
    if (role->permissions.count)
        return true;
    role->permissions = (struct list){ &permission, 1 };
    return store_update(ctx, store, &role_collection, role, (struct update){ .set = FIELDS("permissions") });
}

bool role_store_seed_permissions(struct ctx *ctx, struct store *store)
{
    return seed(ctx, store, ROLE_ARTIST, "track:write") && seed(ctx, store, ROLE_EDITOR, "track:publish");
}

static bool pending_roles(struct ctx *ctx, struct store *store, int64_t now, struct untold **out, size_t *count)
{
    struct role *roles;
    size_t all;
    struct untold *item = arena_array(&ctx->arena, struct untold, 1);
    *item = (struct untold){ .id = FEED_ROLES };
    *out = item;
    *count = 0;
    if (!role_store_all(ctx, store, &roles, &all))
        return false;
    for (size_t i = 0; i < all; i++) {
        item->version += roles[i].doc.version;
        if (roles[i].announce && roles[i].announce <= now)
            *count = 1;
    }
    return true;
}

/* One that was changed since they were read has its own telling to do; so has one that is changed meanwhile
 * (ERROR_CONFLICT). */
static bool settle_roles(struct ctx *ctx, struct store *store, const struct untold *item)
{
    struct role *roles;
    size_t count;
    int64_t version = 0;
    if (!role_store_all(ctx, store, &roles, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        version += roles[i].doc.version;
    for (size_t i = 0; i < count && version == item->version; i++)
        if (roles[i].announce &&
            !store_update(ctx, store, &role_collection, &roles[i], (struct update){ .unset = FIELDS("announce") }))
            return false;
    return true;
}

const struct announced roles_announced = { CHANGED_USER, pending_roles, settle_roles };
