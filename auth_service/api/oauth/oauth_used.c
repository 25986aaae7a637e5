#include "oauth/oauth_used.h"

#include "base/clock.h"
#include "crypto/digest.h"

#include <string.h>

enum { PAGE = 100, SWEEP_PAGES = 50 };

struct used {
    struct doc doc; /* the state's SHA-256 */
    int64_t expires_at;
};

static const struct field used_fields[] = {
    FIELD("expiresAt", TIME, struct used, expires_at),
    { 0 },
};

const struct collection oauth_used_collection = {
    .name = "oauthUsed",
    .fields = used_fields,
    .size = sizeof(struct used),
    .indexes = (const struct index[]){ { "by_expiry", { "expiresAt" } }, { 0 } },
};

bool oauth_use(struct ctx *ctx, struct store *store, const char *state, int64_t until)
{
    struct used used = { .doc.id = sha256_hex(&ctx->arena, state, strlen(state)), .expires_at = until };
    if (store_insert(ctx, store, &oauth_used_collection, &used, NO_EVENTS))
        return true;
    if (ctx_forgive(ctx, ERROR_CONFLICT))
        ctx_fail(ctx, ERROR_UNAUTHORIZED, "this sign-in is done with: begin again");
    return false;
}

static bool remove_page(struct ctx *ctx, struct store *store, const struct page *page)
{
    const struct used *items = page->items;
    struct write *writes = arena_array(&ctx->arena, struct write, page->count + 1);
    for (size_t i = 0; i < page->count; i++)
        writes[i] = (struct write){ WRITE_REMOVE, &oauth_used_collection, .id = items[i].doc.id };
    return store_write_many(ctx, store, writes, page->count);
}

bool oauth_used_sweep(struct ctx *ctx, void *store)
{
    struct key until = KEY_INT(clock_now_ms());
    const struct scan old = { .index = "by_expiry", .to = &until, .limit = PAGE };
    for (int pages = 0; pages < SWEEP_PAGES; pages++) {
        struct page page;
        ctx->deadline_ms = clock_ms() + 5000;
        if (!store_scan(ctx, store, &oauth_used_collection, &old, &page))
            return false;
        if (page.count == 0)
            return true;
        if (!remove_page(ctx, store, &page))
            return false;
    }
    return true;
}
