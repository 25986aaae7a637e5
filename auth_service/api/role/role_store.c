#include "role/role_store.h"

static const char *const statuses[] = { "ACTIVE", "DISABLED", NULL };

static const struct field role_fields[] = {
    FIELD("code", TEXT, struct role, code, .required = true),
    FIELD("status", ENUM, struct role, status, .values = statuses),
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
