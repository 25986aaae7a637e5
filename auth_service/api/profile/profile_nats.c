#include "profile/profile_nats.h"

#include "contract/subjects.h"

static struct response *one(struct request *req)
{
    struct by_id in = { 0 };
    struct list found;
    if (!request_body(req, by_id_fields, &in) ||
        !profile_public(&req->ctx, req->service, &(struct list){ .items = &in.id, .count = 1 }, &found))
        return NULL;
    if (!found.count)
        return ctx_fail(&req->ctx, ERROR_NOT_FOUND, "user not found");
    return reply(req, public_user_fields, found.items);
}

static struct response *several(struct request *req)
{
    struct by_ids in = { 0 };
    struct public_users out = { 0 };
    if (!request_body(req, by_ids_fields, &in) || !profile_public(&req->ctx, req->service, &in.ids, &out.users))
        return NULL;
    return reply(req, public_users_fields, &out);
}

const struct subject profile_subjects[] = {
    { SUBJECT_PROFILE_USER, one, "What a user shows to everybody", by_id_fields, public_user_fields },
    { SUBJECT_PROFILE_USERS, several, "The same for up to 100; those not found are left out", by_ids_fields,
      public_users_fields },
    { 0 },
};
