#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "role/role_store.h"

enum { TRIES = 16 };

#define PERMISSIONS(type)                                                                                              \
    FIELD("permissions", LIST, type, permissions, .item = TEXT, .required = true, .max = PERMISSIONS_MAX,              \
          .pattern = "^[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9-]{0,31}$",                                                    \
          .doc = "what who has this role may: `track:publish`")

const struct field new_role_fields[] = {
    FIELD("code", TEXT, struct new_role, code, .required = true, .pattern = "^[A-Z][A-Z0-9_]{1,31}$"),
    PERMISSIONS(struct new_role),
    { 0 },
};

const struct field role_change_fields[] = {
    PERMISSIONS(struct role_change),
    FIELD("status", ENUM, struct role_change, status, .required = true, .values = role_statuses,
          .doc = "a disabled role counts for nobody"),
    { 0 },
};

bool roles_list(struct ctx *ctx, struct store *store, struct list *out)
{
    struct role *roles;
    size_t count;
    if (!role_store_all(ctx, store, &roles, &count))
        return false;
    *out = (struct list){ roles, count };
    return true;
}

/* After the write, which marked it: whoever reads now finds at least this version. */
static void tell(struct ctx *ctx, const struct announcer *announcer, struct store *store)
{
    int64_t version;
    struct error *pending = ctx->error;
    if (role_store_version(ctx, store, &version))
        announce(ctx, announcer, &roles_announced, FEED_ROLES, version);
    ctx->error = pending; /* the chore makes it up */
}

struct role *role_create(struct ctx *ctx, const struct announcer *announcer, struct store *store,
                         const struct new_role *in)
{
    struct list all;
    if (!roles_list(ctx, store, &all))
        return NULL;
    if (all.count >= ROLES_MAX)
        return ctx_fail(ctx, ERROR_CONFLICT, "there are %d roles already", ROLES_MAX);
    struct role *role = arena_new(&ctx->arena, struct role);
    *role = (struct role){
        .doc.id = id_new(&ctx->arena), .code = in->code, .permissions = in->permissions, .announce = clock_now_ms()
    };
    if (role_store_insert(ctx, store, role)) {
        tell(ctx, announcer, store);
        return role;
    }
    if (ctx_forgive(ctx, ERROR_CONFLICT))
        ctx_fail(ctx, ERROR_CONFLICT, "there is a role %s already", in->code);
    return NULL;
}

/* Somebody must be left who may everything, and something that everybody gets who signs up. */
static bool may_be(struct ctx *ctx, const char *code, const struct role_change *in)
{
    if (text_equal(code, ROLE_ADMIN))
        return ctx_fail(ctx, ERROR_CONFLICT, "ADMIN may everything and stays so");
    if (text_equal(code, ROLE_LISTENER) && in->status != ROLE_ACTIVE)
        return ctx_fail(ctx, ERROR_CONFLICT, "LISTENER is what everybody gets who signs up");
    return true;
}

static bool same_texts(const struct list *a, const struct list *b)
{
    const char *const *left = a->items, *const *right = b->items;
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (!text_equal(left[i], right[i]))
            return false;
    return a->count == b->count;
}

/* A PUT may be sent again when its answer was lost: what is so already is no change to tell of. */
static struct role *change_once(struct ctx *ctx, struct store *store, const char *code, const struct role_change *in,
                                bool *changed)
{
    struct role *role = role_store_find(ctx, store, code);
    if (!role)
        return NULL;
    *changed = role->status != in->status || !same_texts(&role->permissions, &in->permissions);
    if (!*changed)
        return role;
    role->permissions = in->permissions;
    role->status = in->status;
    role->announce = clock_now_ms();
    return role_store_change(ctx, store, role) ? role : NULL;
}

struct role *role_change(struct ctx *ctx, const struct announcer *announcer, struct store *store, const char *code,
                         const struct role_change *in)
{
    for (int tries = 0; may_be(ctx, code, in) && tries < TRIES; tries++) {
        bool changed = false;
        struct role *role = change_once(ctx, store, code, in, &changed);
        if (role && changed)
            tell(ctx, announcer, store);
        if (role || !ctx_forgive(ctx, ERROR_CONFLICT))
            return role;
    }
    return ctx->error ? NULL : ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}
