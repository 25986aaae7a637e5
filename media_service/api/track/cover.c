#include "track/cover.h"

#include "base/cleanup.h"
#include "blob/blob.h"

/* Each cover is kept in these sizes at the most, whatever is asked for. */
static const int edges[] = { 64, 128, 256, 512 };

static struct cover_doc *make(struct ctx *ctx, const struct tracks *tracks, const struct cover_doc *whole,
                              const char *id, int edge)
{
    int64_t size;
    struct cover cover;
    char *hash = arena_alloc(&ctx->arena, SHA256_HEX + 1);
    _cleanup_(closep) int fd = blob_open(ctx, tracks->blobs, whole->hash, &size);
    if (fd < 0 || !probe_picture(ctx, tracks->probe, fd, edge, &cover) ||
        !blob_keep_bytes(ctx, tracks->blobs, cover.data, cover.size, hash) ||
        !cover_store_put(ctx, tracks->store, id, hash, &cover))
        return NULL;
    return cover_store_get(ctx, tracks->store, id);
}

struct cover_doc *cover_of_size(struct ctx *ctx, const struct tracks *tracks, const char *id, int64_t size)
{
    int edge = 0;
    for (size_t i = sizeof edges / sizeof *edges; i-- > 0;)
        if (size <= edges[i])
            edge = edges[i];
    struct cover_doc *whole = cover_store_get(ctx, tracks->store, id);
    if (!whole || size == 0 || edge == 0 || (whole->width <= edge && whole->height <= edge))
        return whole;
    const char *small = arena_printf(&ctx->arena, "%s-%d", id, edge);
    struct cover_doc *doc = cover_store_get(ctx, tracks->store, small);
    if (doc || !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return doc;
    return make(ctx, tracks, whole, small, edge);
}
