#include "issuer/foreign_roles.h"

#include "audit/deed.h"
#include "base/text.h"
#include "user/user_store.h"

enum { TRIES = 4 };

struct claimed {
    const struct foreign *foreign;
    const char *issuer;
    struct list codes; /* of const char * */
    int64_t issued;    /* unix seconds */
};

static bool has(const struct list *ids, const char *id)
{
    const char *const *items = ids->items;
    for (size_t i = 0; i < ids->count; i++)
        if (text_equal(items[i], id))
            return true;
    return false;
}

static void add(struct list *ids, const char *id)
{
    const char **items = ids->items;
    if (!has(ids, id))
        items[ids->count++] = id;
}

static bool may_be_taken(const struct claimed *claimed, const struct list *refs, const char *id)
{
    const struct role_ref *items = refs->items;
    for (size_t i = 0; i < refs->count; i++)
        if (text_equal(items[i].id, id))
            return trusted_may_give(claimed->foreign->trusted, items[i].code);
    return false;
}

/* What the account has that issuers may not take, and what is claimed; LISTENER where that is nothing. */
static bool roles_after(struct ctx *ctx, const struct claimed *claimed, const struct user *user, struct list *out)
{
    static const char *const listener[] = { ROLE_LISTENER };
    struct roles *roles = claimed->foreign->signin->users->roles;
    struct list had, given, least;
    if (!roles_refs(ctx, roles, &user->roles, &had, NULL) || !roles_of_codes(ctx, roles, &claimed->codes, &given) ||
        !roles_of_codes(ctx, roles, &(struct list){ (void *)listener, 1 }, &least))
        return false;
    *out = (struct list){ .items = arena_array(&ctx->arena, const char *, user->roles.count + given.count + 1) };
    const char *const *ids = user->roles.items;
    for (size_t i = 0; i < user->roles.count; i++)
        if (!may_be_taken(claimed, &had, ids[i]))
            add(out, ids[i]);
    const struct role_ref *refs = given.items;
    for (size_t i = 0; i < given.count; i++)
        add(out, refs[i].id);
    if (!out->count && least.count)
        add(out, ((const struct role_ref *)least.items)->id);
    return true;
}

static bool is_same(const struct list *a, const struct list *b)
{
    const char *const *ids = a->items;
    for (size_t i = 0; i < a->count; i++)
        if (!has(b, ids[i]))
            return false;
    return a->count == b->count;
}

static bool set_roles(struct ctx *ctx, struct user *user, const void *with)
{
    const struct claimed *claimed = with;
    if (claimed->issued <= user->roles_at)
        return true;
    struct list after;
    if (!roles_after(ctx, claimed, user, &after))
        return false;
    user->roles = after;
    user->roles_at = claimed->issued;
    return true;
}

static struct user *change(struct ctx *ctx, const struct claimed *claimed, const struct user *user)
{
    const struct users *users = claimed->foreign->signin->users;
    const struct deed deed = { .by = user->doc.id,
                               .action = "user.roles",
                               .detail = arena_printf(&ctx->arena, "%s: %s", claimed->issuer,
                                                      deed_list(ctx, &claimed->codes)) };
    if (!deed_of(ctx, users->vault, deed, &(struct whence){ 0 }))
        return NULL;
    struct user *changed = user_edit(ctx, users, user->doc.id, set_roles, claimed);
    ctx->deed = NULL;
    return changed;
}

/* Nothing changes but what is newest: nobody is told, and an older token that comes later changes nothing either. */
static bool note(struct ctx *ctx, const struct claimed *claimed, struct user *user)
{
    user->roles_at = claimed->issued;
    return user_store_note_roles(ctx, claimed->foreign->signin->users->store, user);
}

struct user *foreign_roles_keep(struct ctx *ctx, const struct foreign *foreign, const char *issuer,
                                const json_t *claims, struct user *user)
{
    struct claimed claimed = { .foreign = foreign, .issuer = issuer, .issued = jwt_claim_time(claims, "iat") };
    if (!trusted_roles(ctx, foreign->trusted, claims, &claimed.codes))
        return user;
    for (int tries = 0; user && tries < TRIES; tries++) {
        struct list after;
        if (claimed.issued <= user->roles_at)
            return user;
        if (!roles_after(ctx, &claimed, user, &after))
            return NULL;
        if (!is_same(&after, &user->roles))
            return change(ctx, &claimed, user);
        if (note(ctx, &claimed, user))
            return user;
        user = ctx_forgive(ctx, ERROR_CONFLICT) ? user_get(ctx, foreign->signin->users, user->doc.id) : NULL;
    }
    return user ? ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once") : NULL;
}
