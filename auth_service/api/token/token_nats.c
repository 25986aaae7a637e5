#include "token/token_nats.h"

#include "contract/subjects.h"

static struct list code_list(const struct caller *caller)
{
    struct list list = { .items = (void *)caller->roles };
    while (caller->roles[list.count])
        list.count++;
    return list;
}

static struct response *validate(struct request *req)
{
    const struct token_service *service = req->service;
    struct validate_token in = { 0 };
    if (!request_body(req, validate_token_fields, &in))
        return NULL;
    const struct caller *caller = service->authority->token(&req->ctx, service->authority->self, in.access_token);
    if (!caller)
        return NULL;
    struct list codes = code_list(caller);
    struct public_user user = { caller->user_id, caller->name, caller->email, caller->picture };
    struct valid_token out = {
        .user = &user,
        .session_id = caller->session_id,
        .user_version = caller->user_version,
        .expires_at = caller->expires_at,
        .roles_version = caller->roles_version,
    };
    return roles_of_codes(&req->ctx, service->roles, &codes, &out.roles) ? reply(req, valid_token_fields, &out) : NULL;
}

const struct subject token_subjects[] = {
    { SUBJECT_VALIDATE_TOKEN, validate, "Who is signed in by this access token", validate_token_fields,
      valid_token_fields },
    { 0 },
};
