#include "track/cover_store.h"

enum { ID_DIGITS = 24 };

static const struct field cover_fields[] = {
    FIELD("hash", TEXT, struct cover_doc, hash),      FIELD("mediaType", TEXT, struct cover_doc, media_type),
    FIELD("width", INTEGER, struct cover_doc, width), FIELD("height", INTEGER, struct cover_doc, height),
    FIELD("size", INTEGER, struct cover_doc, size),   { 0 },
};

const struct collection cover_collection = { "covers", cover_fields, sizeof(struct cover_doc), NULL };

const char *cover_id(struct arena *arena, const char *hash)
{
    return arena_printf(arena, "%.*s", ID_DIGITS, hash);
}

bool cover_store_put(struct ctx *ctx, struct store *store, const char *id, const char *hash, const struct cover *cover)
{
    struct cover_doc doc = { .doc.id = id,
                             .hash = hash,
                             .media_type = cover->type,
                             .width = cover->width,
                             .height = cover->height,
                             .size = (int64_t)cover->size };
    return store_insert(ctx, store, &cover_collection, &doc, NO_EVENTS) || ctx_forgive(ctx, ERROR_CONFLICT);
}

struct cover_doc *cover_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    struct cover_doc *doc = arena_new(&ctx->arena, struct cover_doc);
    if (store_get(ctx, store, &cover_collection, id, doc))
        return doc;
    return ctx_forgive(ctx, ERROR_NOT_FOUND) ? ctx_fail(ctx, ERROR_NOT_FOUND, "no such cover") : NULL;
}
