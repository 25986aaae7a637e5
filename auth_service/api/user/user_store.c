#include "user/user_store.h"

#include "audit/deed.h"
#include "base/random.h"

const char *const user_statuses[] = { "ACTIVE", "SUSPENDED", "DELETED", NULL };
const char *const user_statuses_settable[] = { "ACTIVE", "SUSPENDED", NULL };

static const struct field user_fields[] = {
    FIELD("email", TEXT, struct user, email, .required = true, .sensitive = true),
    FIELD("emailKey", TEXT, struct user, email_key, .required = true, .sensitive = true),
    FIELD("name", TEXT, struct user, name, .required = true),
    FIELD("profilePicUrl", TEXT, struct user, picture),
    FIELD("locale", TEXT, struct user, locale),
    FIELD("password", TEXT, struct user, password, .sensitive = true),
    FIELD("roles", LIST, struct user, roles, .item = ID),
    FIELD("links", LIST, struct user, links, .item = TEXT, .sensitive = true),
    FIELD("formerLinks", LIST, struct user, former_links, .item = TEXT, .sensitive = true),
    FIELD("rolesAt", INTEGER, struct user, roles_at),
    FIELD("status", ENUM, struct user, status, .values = user_statuses),
    FIELD("userVersion", INTEGER, struct user, user_version),
    FIELD("epoch", INTEGER, struct user, epoch),
    FIELD("spared", ID, struct user, spared),
    FIELD("createdAt", TIME, struct user, created_at),
    FIELD("changedAt", TIME, struct user, changed_at),
    FIELD("verifiedAt", TIME, struct user, verified_at),
    FIELD("announce", TIME, struct user, announce),
    { 0 },
};

const struct collection user_collection = {
    .name = "users",
    .fields = user_fields,
    .size = sizeof(struct user),
    .indexes =
        (const struct index[]){
            { "by_email", { "emailKey" }, .unique = true },
            { "by_announce", { "announce" } },
            { "by_role", { "roles", "status" } },
            { "by_status", { "status" } },
            { "by_link", { "links" } },
            { "by_former_link", { "formerLinks" } },
            { 0 },
        },
};

struct user *user_store_get(struct ctx *ctx, struct store *store, const char *id)
{
    if (!id || !id_valid(id))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "user not found");
    struct user *user = arena_new(&ctx->arena, struct user);
    if (store_get(ctx, store, &user_collection, id, user))
        return user;
    if (ctx_forgive(ctx, ERROR_NOT_FOUND))
        ctx_fail(ctx, ERROR_NOT_FOUND, "user not found");
    return NULL;
}

static struct user *find_by(struct ctx *ctx, struct store *store, const char *index, const char *text)
{
    const struct key key = KEY_TEXT(text);
    struct user *user = arena_new(&ctx->arena, struct user);
    if (store_find(ctx, store, &user_collection, index, &key, 1, user))
        return user;
    if (ctx_forgive(ctx, ERROR_NOT_FOUND))
        ctx_fail(ctx, ERROR_NOT_FOUND, "user not found");
    return NULL;
}

struct user *user_store_find(struct ctx *ctx, struct store *store, const char *email)
{
    return find_by(ctx, store, "by_email", email_key(&ctx->arena, email));
}

struct user *user_store_find_linked(struct ctx *ctx, struct store *store, const char *link)
{
    return find_by(ctx, store, "by_link", link);
}

struct user *user_store_find_formerly_linked(struct ctx *ctx, struct store *store, const char *former)
{
    return find_by(ctx, store, "by_former_link", former);
}

struct user *user_store_get_many(struct ctx *ctx, struct store *store, const char *const *ids, size_t count)
{
    struct user *users = arena_array(&ctx->arena, struct user, count + 1);
    return store_get_many(ctx, store, &user_collection, ids, count, users) ? users : NULL;
}

bool user_store_page(struct ctx *ctx, struct store *store, const struct user_filter *filter, size_t limit,
                     const char *cursor, struct page *out)
{
    struct scan scan = { .limit = limit, .cursor = cursor };
    if (filter->role || filter->status)
        scan.index = filter->role ? "by_role" : "by_status";
    if (filter->role)
        scan.equal[scan.equals++] = KEY_TEXT(filter->role);
    if (filter->status)
        scan.equal[scan.equals++] = KEY_TEXT(filter->status);
    return store_scan(ctx, store, &user_collection, &scan, out);
}

/* Ids only: what an event carries is kept for days and read by many. */
static const struct field event_fields[] = {
    FIELD("id", ID, struct revocation, id),
    FIELD("version", INTEGER, struct revocation, version),
    { 0 },
};

bool user_store_insert(struct ctx *ctx, struct store *store, struct user *user)
{
    struct revocation data = { user->doc.id, user->user_version };
    struct events events = deed_with(ctx, EVENTS({ "event.user.created", .fields = event_fields, .data = &data }));
    return deed_written(ctx, store_insert(ctx, store, &user_collection, user, events));
}

bool user_store_change(struct ctx *ctx, struct store *store, struct user *user)
{
    struct revocation data = { user->doc.id, user->user_version };
    bool deleted = user->status == USER_DELETED;
    const char *type = deleted ? "event.user.deleted" : "event.user.changed";
    struct update update = {
        .set = FIELDS("name", "profilePicUrl", "locale", "password", "roles", "rolesAt", "links", "formerLinks",
                      "status", "userVersion", "epoch", "spared", "changedAt", "verifiedAt", "announce",
                      deleted ? "email" : NULL, "emailKey"),
        .events = deed_with(ctx, EVENTS({ type, .fields = event_fields, .data = &data })),
    };
    return deed_written(ctx, store_update(ctx, store, &user_collection, user, update));
}

bool user_store_rehash(struct ctx *ctx, struct store *store, struct user *user)
{
    return store_update(ctx, store, &user_collection, user, (struct update){ .set = FIELDS("password") });
}

bool user_store_note_roles(struct ctx *ctx, struct store *store, struct user *user)
{
    return store_update(ctx, store, &user_collection, user, (struct update){ .set = FIELDS("rolesAt") });
}

static bool pending_users(struct ctx *ctx, struct store *store, int64_t now, struct untold **out, size_t *count)
{
    struct key until = KEY_INT(now + 1);
    struct page page;
    if (!store_scan(ctx, store, &user_collection,
                    &(struct scan){ .index = "by_announce", .to = &until, .limit = UNTOLD_PAGE }, &page))
        return false;
    const struct user *users = page.items;
    *out = arena_array(&ctx->arena, struct untold, page.count + 1);
    *count = page.count;
    for (size_t i = 0; i < page.count; i++)
        (*out)[i] = (struct untold){ users[i].doc.id, users[i].user_version };
    return true;
}

/* Another change since then has its own telling to do. */
static bool settle_user(struct ctx *ctx, struct store *store, const struct untold *item)
{
    struct user *user = user_store_get(ctx, store, item->id);
    if (!user)
        return false;
    if (!user->announce || user->user_version != item->version)
        return true;
    return store_update(ctx, store, &user_collection, user, (struct update){ .unset = FIELDS("announce") });
}

const struct announced user_announced = { CHANGED_USER, pending_users, settle_user };
