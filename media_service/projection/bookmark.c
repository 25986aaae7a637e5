#include "projection/bookmark.h"

#include "base/text.h"
#include "crypto/digest.h"

#include <string.h>

enum { BOOKMARK_MAX = 2048, BOUND_BYTES = 8, BOUND = 2 * BOUND_BYTES };

static const char *bound_to(struct ctx *ctx, const char *list, const char *question)
{
    unsigned char hash[SHA256_SIZE];
    const char *text = arena_printf(&ctx->arena, "%s\n%s", list, question);
    sha256(text, strlen(text), hash);
    return hex_encode(&ctx->arena, hash, BOUND_BYTES);
}

char *bookmark_write(struct ctx *ctx, const char *list, const char *question, const char *place)
{
    const char *text = arena_printf(&ctx->arena, "%s%s", bound_to(ctx, list, question), place);
    return base64url(&ctx->arena, text, strlen(text));
}

char *bookmark_read(struct ctx *ctx, const char *list, const char *question, const char *cursor)
{
    size_t size = 0;
    unsigned char *text = strlen(cursor) <= BOOKMARK_MAX ? base64url_decode(&ctx->arena, cursor, &size) : NULL;
    if (!text || size < BOUND || memchr(text, '\0', size) || memcmp(text, bound_to(ctx, list, question), BOUND) != 0)
        return ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list");
    return arena_memdup(&ctx->arena, text + BOUND, size - BOUND);
}
