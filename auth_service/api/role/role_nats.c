#include "role/role_nats.h"

#include "contract/subjects.h"

static const char *const *terminated(struct ctx *ctx, const struct list *list)
{
    const char *const *items = list->items;
    const char **out = arena_array(&ctx->arena, const char *, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        out[i] = items[i];
    return out;
}

static const char *const *codes_of(struct ctx *ctx, const struct list *refs)
{
    const struct role_ref *items = refs->items;
    const char **codes = arena_array(&ctx->arena, const char *, refs->count + 1);
    for (size_t i = 0; i < refs->count; i++)
        codes[i] = items[i].code;
    return codes;
}

static struct response *validate(struct request *req)
{
    const struct users *users = req->service;
    struct validate_role in = { 0 };
    if (!request_body(req, validate_role_fields, &in))
        return NULL;
    const struct user *user = user_get(&req->ctx, users, in.user_id);
    if (!user)
        return NULL;
    struct list refs = { 0 };
    struct valid_role out = { 0 };
    const struct list none = { 0 }, *ids = user->status == USER_ACTIVE ? &user->roles : &none;
    if (!roles_refs(&req->ctx, users->roles, ids, &refs, &out.roles_version))
        return NULL;
    const char *const *codes = codes_of(&req->ctx, &refs);
    enum reach reach = roles_reach(&req->ctx, users->roles, codes, terminated(&req->ctx, &in.roles));
    if (reach == REACH_UNKNOWN)
        return NULL;
    out.has_role = reach == REACH_YES;
    out.roles = (struct list){ (void *)codes, refs.count };
    return reply(req, valid_role_fields, &out);
}

const struct subject role_subjects[] = {
    { SUBJECT_VALIDATE_ROLE, validate, "Whether a user has one of these roles or permissions, or is ADMIN",
      validate_role_fields, valid_role_fields },
    { 0 },
};
