#include "key/signing_key_store.h"

static const struct field signing_key_fields[] = {
    FIELD("ordinal", INTEGER, struct signing_key, ordinal, .required = true),
    FIELD("alg", ENUM, struct signing_key, alg, .values = signing_algs),
    FIELD("sealed", TEXT, struct signing_key, sealed, .required = true, .sensitive = true),
    FIELD("createdAt", TIME, struct signing_key, created_at),
    FIELD("signsFrom", TIME, struct signing_key, signs_from),
    FIELD("until", TIME, struct signing_key, until),
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
    return store_insert(ctx, store, &signing_key_collection, key, NO_EVENTS);
}
