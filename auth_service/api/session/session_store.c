#include "session/session_store.h"

#include "audit/deed.h"
#include "base/random.h"

static const struct field session_fields[] = {
    FIELD("userId", ID, struct session, user_id, .required = true),
    FIELD("generation", INTEGER, struct session, generation),
    FIELD("secretHash", TEXT, struct session, secret_hash, .sensitive = true),
    FIELD("salt", TEXT, struct session, salt, .sensitive = true),
    FIELD("epoch", INTEGER, struct session, epoch),
    FIELD("device", TEXT, struct session, device),
    FIELD("address", TEXT, struct session, address, .sensitive = true),
    FIELD("createdAt", TIME, struct session, created_at),
    FIELD("usedAt", TIME, struct session, used_at),
    FIELD("rotatedAt", TIME, struct session, rotated_at),
    FIELD("expiresAt", TIME, struct session, expires_at),
    FIELD("revokedAt", TIME, struct session, revoked_at),
    FIELD("announce", TIME, struct session, announce),
    FIELD("isToken", FLAG, struct session, is_token),
    { 0 },
};

const struct collection session_collection = {
    .name = "sessions",
    .fields = session_fields,
    .size = sizeof(struct session),
    .indexes =
        (const struct index[]){
            { "by_user", { "userId", "createdAt" } },
            { "by_expiry", { "expiresAt" } },
            { "by_announce", { "announce" } },
            { 0 },
        },
};

static const char *const changing[] = { "generation", "secretHash", "device",    "address",  "usedAt",
                                        "rotatedAt",  "expiresAt",  "revokedAt", "announce", NULL };

struct session *session_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    if (!id || !id_valid(id))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "session not found");
    struct session *session = arena_new(&ctx->arena, struct session);
    if (store_get(ctx, store, &session_collection, id, session))
        return session;
    if (ctx_forgive(ctx, ERROR_NOT_FOUND))
        ctx_fail(ctx, ERROR_NOT_FOUND, "session not found");
    return NULL;
}

bool session_store_insert(struct ctx *ctx, struct store *store, struct session *session)
{
    return store_insert(ctx, store, &session_collection, session, NO_EVENTS);
}

bool session_store_change(struct ctx *ctx, struct store *store, struct session *session)
{
    struct update update = { .set = changing, .events = deed_with(ctx, NO_EVENTS) };
    return deed_written(ctx, store_update(ctx, store, &session_collection, session, update));
}

bool session_store_change_many(struct ctx *ctx, struct store *store, struct session *sessions, size_t count)
{
    struct write *writes = arena_array(&ctx->arena, struct write, count + 1);
    for (size_t i = 0; i < count; i++)
        writes[i] = (struct write){ WRITE_UPDATE, &session_collection, &sessions[i], .update.set = changing };
    return store_write_many(ctx, store, writes, count);
}

bool session_store_of(struct ctx *ctx, struct store *store, const char *user_id, bool newest_first, const char *cursor,
                      struct page *out)
{
    return store_scan(ctx, store, &session_collection,
                      &(struct scan){ .index = "by_user",
                                      .equal = { KEY_TEXT(user_id) },
                                      .equals = 1,
                                      .descending = newest_first,
                                      .limit = SESSION_PAGE,
                                      .cursor = cursor },
                      out);
}

bool session_store_expired(struct ctx *ctx, struct store *store, int64_t now, struct page *out)
{
    struct key until = KEY_INT(now);
    return store_scan(ctx, store, &session_collection,
                      &(struct scan){ .index = "by_expiry", .to = &until, .limit = SESSION_PAGE }, out);
}

bool session_store_remove_many(struct ctx *ctx, struct store *store, const struct session *sessions, size_t count)
{
    struct write *writes = arena_array(&ctx->arena, struct write, count + 1);
    for (size_t i = 0; i < count; i++)
        writes[i] = (struct write){ WRITE_REMOVE, &session_collection, .id = sessions[i].doc.id,
                                    .by = sessions[i].doc.version };
    return store_write_many(ctx, store, writes, count);
}

static bool pending_sessions(struct ctx *ctx, struct store *store, int64_t now, struct untold **out, size_t *count)
{
    struct key until = KEY_INT(now + 1);
    struct page page;
    if (!store_scan(ctx, store, &session_collection,
                    &(struct scan){ .index = "by_announce", .to = &until, .limit = UNTOLD_PAGE }, &page))
        return false;
    const struct session *sessions = page.items;
    *out = arena_array(&ctx->arena, struct untold, page.count + 1);
    *count = page.count;
    for (size_t i = 0; i < page.count; i++)
        (*out)[i] = (struct untold){ .id = sessions[i].doc.id };
    return true;
}

/* Without its document a token of another issuer would begin its session anew. */
static bool settle_session(struct ctx *ctx, struct store *store, const struct untold *item)
{
    struct session *session = session_store_get(ctx, store, item->id);
    if (!session)
        return false;
    if (session->is_token)
        return store_update(ctx, store, &session_collection, session, (struct update){ .unset = FIELDS("announce") });
    return store_remove(ctx, store, &session_collection, item->id, 0, NO_EVENTS);
}

const struct announced session_announced = { REVOKED_SESSION, pending_sessions, settle_session };
