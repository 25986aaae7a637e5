#include "key/signing_key_store.h"

#include "audit/deed.h"

static const struct field signing_key_fields[] = {
    FIELD("ordinal", INTEGER, struct signing_key, ordinal, .required = true),
    FIELD("alg", ENUM, struct signing_key, alg, .values = signing_algs),
    FIELD("sealed", TEXT, struct signing_key, sealed, .required = true, .sensitive = true),
    FIELD("createdAt", TIME, struct signing_key, created_at),
    FIELD("signsFrom", TIME, struct signing_key, signs_from),
    FIELD("until", TIME, struct signing_key, until),
    FIELD("announce", TIME, struct signing_key, announce),
    { 0 },
};

const struct collection signing_key_collection = {
    .name = "signingKeys",
    .fields = signing_key_fields,
    .size = sizeof(struct signing_key),
    .indexes = (const struct index[]){ { "by_ordinal", { "ordinal" }, .unique = true }, { 0 } },
};

bool signing_key_store_all(struct ctx *ctx, struct store *store, struct signing_key **out, size_t *count)
{
    struct page page;
    if (!store_scan(ctx, store, &signing_key_collection,
                    &(struct scan){ .index = "by_ordinal", .descending = true, .limit = SIGNING_KEYS_MAX }, &page))
        return false;
    *out = page.items;
    *count = page.count;
    return true;
}

bool signing_key_store_insert(struct ctx *ctx, struct store *store, struct signing_key *key)
{
    return deed_written(ctx, store_insert(ctx, store, &signing_key_collection, key, deed_with(ctx, NO_EVENTS)));
}

bool signing_key_store_revoke(struct ctx *ctx, struct store *store, struct signing_key *key)
{
    struct update update = { .set = FIELDS("until", "announce"), .events = deed_with(ctx, NO_EVENTS) };
    return deed_written(ctx, store_update(ctx, store, &signing_key_collection, key, update));
}

bool signing_key_store_forget(struct ctx *ctx, struct store *store, const struct signing_key *key)
{
    return store_remove(ctx, store, &signing_key_collection, key->doc.id, key->doc.version, NO_EVENTS) ||
           ctx_forgive(ctx, ERROR_NOT_FOUND) || ctx_forgive(ctx, ERROR_CONFLICT);
}

/* There are few, so no index is needed. */
static bool pending_keys(struct ctx *ctx, struct store *store, int64_t now, struct untold **out, size_t *count)
{
    struct signing_key *keys;
    size_t all;
    if (!signing_key_store_all(ctx, store, &keys, &all))
        return false;
    *out = arena_array(&ctx->arena, struct untold, all + 1);
    *count = 0;
    for (size_t i = 0; i < all; i++)
        if (keys[i].announce && keys[i].announce <= now)
            (*out)[(*count)++] = (struct untold){ .id = keys[i].doc.id };
    return true;
}

static bool settle_key(struct ctx *ctx, struct store *store, const struct untold *item)
{
    struct signing_key key;
    if (!store_get(ctx, store, &signing_key_collection, item->id, &key))
        return false;
    return !key.announce ||
           store_update(ctx, store, &signing_key_collection, &key, (struct update){ .unset = FIELDS("announce") });
}

const struct announced signing_key_announced = { REVOKED_SESSION, pending_keys, settle_key };
