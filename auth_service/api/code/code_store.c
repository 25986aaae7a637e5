#include "code/code_store.h"

static const struct field one_code_fields[] = {
    FIELD("hash", TEXT, struct one_code, hash, .sensitive = true),
    FIELD("until", TIME, struct one_code, until),
    { 0 },
};

static const struct field sheet_fields[] = {
    FIELD("verify", RECORD, struct code_sheet, verify, .record = one_code_fields, .item_size = sizeof(struct one_code)),
    FIELD("reset", RECORD, struct code_sheet, reset, .record = one_code_fields, .item_size = sizeof(struct one_code)),
    FIELD("sent", LIST, struct code_sheet, sent, .item = INTEGER),
    FIELD("tried", LIST, struct code_sheet, tried, .item = INTEGER),
    FIELD("touchedAt", TIME, struct code_sheet, touched_at),
    FIELD("expiresAt", TIME, struct code_sheet, expires_at),
    { 0 },
};

const struct collection code_collection = {
    .name = "codes",
    .fields = sheet_fields,
    .size = sizeof(struct code_sheet),
    .indexes = (const struct index[]){ { "by_expiry", { "expiresAt" } }, { 0 } },
};

struct code_sheet *code_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    struct code_sheet *sheet = arena_new(&ctx->arena, struct code_sheet);
    if (store_get(ctx, store, &code_collection, id, sheet))
        return sheet;
    if (!ctx_forgive(ctx, ERROR_NOT_FOUND))
        return NULL;
    *sheet = (struct code_sheet){ .doc.id = id };
    return sheet;
}

bool code_store_put(struct ctx *ctx, struct store *store, struct code_sheet *sheet, struct events events)
{
    if (!sheet->doc.version)
        return store_insert(ctx, store, &code_collection, sheet, events);
    static const char *const all[] = { "verify", "reset", "sent", "tried", "touchedAt", "expiresAt", NULL };
    if (store_update(ctx, store, &code_collection, sheet, (struct update){ .set = all, .events = events }))
        return true;
    if (ctx_forgive(ctx, ERROR_NOT_FOUND)) /* swept meanwhile */
        ctx_fail(ctx, ERROR_CONFLICT, "the codes have changed");
    return false;
}

bool code_store_expired(struct ctx *ctx, struct store *store, int64_t now, struct page *out)
{
    struct key until = KEY_INT(now);
    return store_scan(ctx, store, &code_collection,
                      &(struct scan){ .index = "by_expiry", .to = &until, .limit = CODE_PAGE }, out);
}

bool code_store_remove_many(struct ctx *ctx, struct store *store, const struct code_sheet *sheets, size_t count)
{
    struct write *writes = arena_array(&ctx->arena, struct write, count + 1);
    for (size_t i = 0; i < count; i++)
        writes[i] = (struct write){ WRITE_REMOVE, &code_collection, .id = sheets[i].doc.id,
                                    .by = sheets[i].doc.version };
    return store_write_many(ctx, store, writes, count);
}
