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

static struct list codes_of(struct ctx *ctx, const struct list *refs)
{
    const struct role_ref *items = refs->items;
    const char **codes = arena_array(&ctx->arena, const char *, refs->count + 1);
    for (size_t i = 0; i < refs->count; i++)
        codes[i] = items[i].code;
    return (struct list){ .items = codes, .count = refs->count };
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
    if (user->status == USER_ACTIVE && !roles_refs(&req->ctx, users->roles, &user->roles, &refs))
        return NULL;
    struct valid_role out = {
        .has_role = roles_reach(&refs, terminated(&req->ctx, &in.roles)),
        .roles = codes_of(&req->ctx, &refs),
    };
    return reply(req, valid_role_fields, &out);
}

const struct subject role_subjects[] = {
    { SUBJECT_VALIDATE_ROLE, validate, "Whether a user has one of these roles, or is ADMIN", validate_role_fields,
      valid_role_fields },
    { 0 },
};
