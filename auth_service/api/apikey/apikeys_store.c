#include "apikey/apikeys_store.h"

#include "audit/deed.h"
#include "base/random.h"

static const struct field apikey_fields[] = {
    FIELD("name", TEXT, struct apikey, name, .required = true),
    FIELD("prefix", TEXT, struct apikey, prefix),
    FIELD("hash", TEXT, struct apikey, hash, .required = true, .sensitive = true),
    FIELD("scopes", LIST, struct apikey, scopes, .item = TEXT),
    FIELD("rate", INTEGER, struct apikey, rate),
    FIELD("createdBy", ID, struct apikey, created_by),
    FIELD("createdAt", TIME, struct apikey, created_at),
    FIELD("expiresAt", TIME, struct apikey, expires_at),
    FIELD("revokedAt", TIME, struct apikey, revoked_at),
    FIELD("announce", TIME, struct apikey, announce),
    FIELD("usedAt", TIME, struct apikey, used_at),
    { 0 },
};

const struct collection apikey_collection = {
    .name = "apikeys",
    .fields = apikey_fields,
    .size = sizeof(struct apikey),
    .indexes = (const struct index[]){ { "by_announce", { "announce" } }, { 0 } },
};

struct apikey *apikey_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    if (!id || !id_valid(id))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "API key not found");
    struct apikey *apikey = arena_new(&ctx->arena, struct apikey);
    if (store_get(ctx, store, &apikey_collection, id, apikey))
        return apikey;
    if (ctx_forgive(ctx, ERROR_NOT_FOUND))
        ctx_fail(ctx, ERROR_NOT_FOUND, "API key not found");
    return NULL;
}

bool apikey_store_insert(struct ctx *ctx, struct store *store, struct apikey *apikey)
{
    return deed_written(ctx, store_insert(ctx, store, &apikey_collection, apikey, deed_with(ctx, NO_EVENTS)));
}

bool apikey_store_page(struct ctx *ctx, struct store *store, size_t limit, const char *cursor, struct page *out)
{
    return store_scan(ctx, store, &apikey_collection, &(struct scan){ .limit = limit, .cursor = cursor }, out);
}

bool apikey_store_revoke(struct ctx *ctx, struct store *store, struct apikey *apikey)
{
    struct update update = { .set = FIELDS("revokedAt", "announce"), .events = deed_with(ctx, NO_EVENTS) };
    return deed_written(ctx, store_update(ctx, store, &apikey_collection, apikey, update));
}

bool apikey_store_use(struct ctx *ctx, struct store *store, struct apikey *apikey)
{
    return store_update(ctx, store, &apikey_collection, apikey, (struct update){ .set = FIELDS("usedAt") });
}

static bool pending_apikeys(struct ctx *ctx, struct store *store, int64_t now, struct untold **out, size_t *count)
{
    struct key until = KEY_INT(now + 1);
    struct page page;
    if (!store_scan(ctx, store, &apikey_collection,
                    &(struct scan){ .index = "by_announce", .to = &until, .limit = UNTOLD_PAGE }, &page))
        return false;
    const struct apikey *apikeys = page.items;
    *out = arena_array(&ctx->arena, struct untold, page.count + 1);
    *count = page.count;
    for (size_t i = 0; i < page.count; i++)
        (*out)[i] = (struct untold){ .id = apikeys[i].doc.id };
    return true;
}

/* A revoked one goes; an expired one stays in the list, for people to see why it is refused. */
static bool settle_apikey(struct ctx *ctx, struct store *store, const struct untold *item)
{
    struct apikey *apikey = apikey_store_get(ctx, store, item->id);
    if (!apikey)
        return false;
    if (apikey->revoked_at)
        return store_remove(ctx, store, &apikey_collection, item->id, 0, NO_EVENTS);
    return store_update(ctx, store, &apikey_collection, apikey, (struct update){ .unset = FIELDS("announce") });
}

const struct announced apikey_announced = { REVOKED_APIKEY, pending_apikeys, settle_apikey };
