#include "profile/profile_http.h"

#include "user/name_pattern.h"

/* "" takes the picture away. */
static bool is_picture(const char *text)
{
    return !*text || is_http_url(text);
}

static const struct field change_fields[] = {
    FIELD("name", TEXT, struct profile_change, name, .min = USER_NAME_MIN, .max = USER_NAME_MAX,
          .pattern = NAME_PATTERN),
    FIELD("profilePicUrl", TEXT, struct profile_change, picture, .max = USER_PICTURE_MAX, .valid = is_picture,
          .rule = "url", .doc = "\"\" takes it away"),
    FIELD("locale", TEXT, struct profile_change, locale, .pattern = "^(en|de|es|fr|hi|ja|zh)$"),
    { 0 },
};

static struct response *mine(struct request *req)
{
    const struct user_view *view = profile_mine(&req->ctx, req->service, req->caller->user_id);
    return view ? respond(req, "success", user_profile_fields, view) : NULL;
}

static struct response *change(struct request *req)
{
    struct profile_change in = { 0 };
    if (!request_body(req, change_fields, &in))
        return NULL;
    const struct user_view *view = profile_change(&req->ctx, req->service, req->caller->user_id, &in);
    return view ? respond(req, "success", user_profile_fields, view) : NULL;
}

static struct response *by_id(struct request *req)
{
    const char *id = request_param(req, "id");
    struct list found;
    if (!profile_public(&req->ctx, req->service, &(struct list){ .items = &id, .count = 1 }, &found))
        return NULL;
    if (!found.count)
        return ctx_fail(&req->ctx, ERROR_NOT_FOUND, "user not found");
    return respond(req, "success", public_user_fields, found.items);
}

const struct route profile_routes[] = {
    { GET, "/profile/mine", mine, SIGNED_IN, .out = user_profile_fields, .summary = "One's own profile" },
    { PATCH, "/profile/mine", change, SIGNED_IN, .in = change_fields, .out = user_profile_fields,
      .summary = "Changes the fields that are given" },
    { GET, "/profile/id/{id}", by_id, KEY, .out = public_user_fields, .summary = "What a user shows to everybody" },
    { 0 },
};
