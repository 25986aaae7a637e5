#include "app_password/app_password_store.h"

#include "audit/deed.h"
#include "base/random.h"

static const struct field app_password_fields[] = {
    FIELD("userId", ID, struct app_password, user_id, .required = true),
    FIELD("epoch", INTEGER, struct app_password, epoch, .required = true),
    FIELD("name", TEXT, struct app_password, name, .required = true),
    FIELD("sealed", TEXT, struct app_password, sealed, .required = true, .sensitive = true),
    FIELD("createdAt", TIME, struct app_password, created_at),
    FIELD("usedAt", TIME, struct app_password, used_at),
    { 0 },
};

const struct collection app_password_collection = {
    .name = "appPasswords",
    .fields = app_password_fields,
    .size = sizeof(struct app_password),
    .indexes = (const struct index[]){ { "by_name", { "userId", "epoch", "name" }, .unique = true }, { 0 } },
};

bool app_password_store_insert(struct ctx *ctx, struct store *store, struct app_password *password)
{
    return deed_written(ctx, store_insert(ctx, store, &app_password_collection, password, deed_with(ctx, NO_EVENTS)));
}

/* In the words of a person, where that is what is wrong. */
static void *none(struct ctx *ctx)
{
    if (ctx_forgive(ctx, ERROR_NOT_FOUND))
        ctx_fail(ctx, ERROR_NOT_FOUND, "app password not found");
    return NULL;
}

struct app_password *app_password_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    if (!id || !id_valid(id))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "app password not found");
    struct app_password *password = arena_new(&ctx->arena, struct app_password);
    return store_get(ctx, store, &app_password_collection, id, password) ? password : none(ctx);
}

bool app_password_store_of(struct ctx *ctx, struct store *store, const char *user_id, int64_t epoch, struct page *out)
{
    return store_scan(ctx, store, &app_password_collection,
                      &(struct scan){ .index = "by_name",
                                      .equal = { KEY_TEXT(user_id), KEY_INT(epoch) },
                                      .equals = 2,
                                      .limit = APP_PASSWORDS_MAX + 1 },
                      out);
}

bool app_password_store_remove(struct ctx *ctx, struct store *store, const struct app_password *password)
{
    struct events events = deed_with(ctx, NO_EVENTS);
    return deed_written(ctx, store_remove(ctx, store, &app_password_collection, password->doc.id, 0, events)) ||
           none(ctx);
}

bool app_password_store_remove_before(struct ctx *ctx, struct store *store, const char *user_id, int64_t epoch)
{
    struct key until = KEY_INT(epoch);
    const struct scan before = {
        .index = "by_name", .equal = { KEY_TEXT(user_id) }, .equals = 1, .to = &until, .limit = APP_PASSWORDS_MAX
    };
    for (;;) {
        struct page page;
        if (!store_scan(ctx, store, &app_password_collection, &before, &page))
            return false;
        if (page.count == 0)
            return true;
        const struct app_password *items = page.items;
        struct write *writes = arena_array(&ctx->arena, struct write, page.count);
        for (size_t i = 0; i < page.count; i++)
            writes[i] = (struct write){ WRITE_REMOVE, &app_password_collection, .id = items[i].doc.id };
        if (!store_write_many(ctx, store, writes, page.count))
            return false;
    }
}
