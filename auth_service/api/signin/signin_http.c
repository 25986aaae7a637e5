#include "signin/signin_http.h"

#include "audit/deed.h"
#include "base/text.h"
#include "token/request_origin.h"
#include "user/common_password.h"

static const struct field signin_fields[] = {
    FIELD("email", TEXT, struct signin_basic, email, .required = true, .max = USER_EMAIL_MAX, .valid = is_email,
          .rule = "email", .sensitive = true),
    FIELD("password", TEXT, struct signin_basic, password, .required = true, .min = 1, .max = USER_PASSWORD_MAX,
          .sensitive = true),
    FIELD("nonce", TEXT, struct signin_basic, nonce, .min = 1, .max = 255,
          .doc = "comes back in the ID token: it was made for this sign-in"),
    { 0 },
};

static const struct field password_fields[] = {
    FIELD("current", TEXT, struct password_change, current, .required = true, .min = 1, .max = USER_PASSWORD_MAX,
          .sensitive = true),
    FIELD("password", TEXT, struct password_change, password, .required = true, .min = USER_PASSWORD_MIN,
          .max = USER_PASSWORD_MAX, .valid = is_uncommon_password, .rule = "uncommon", .sensitive = true),
    { 0 },
};

struct farewell {
    const char *password;
};

static const struct field farewell_fields[] = {
    FIELD("password", TEXT, struct farewell, password, .min = 1, .max = USER_PASSWORD_MAX, .sensitive = true,
          .doc = "needed where the account has one"),
    { 0 },
};

const struct field signed_in_fields[] = {
    FIELD("user", RECORD, struct signed_in, user, .record = user_own_fields, .item_size = sizeof(struct user_view)),
    FIELD("tokens", RECORD, struct signed_in, tokens, .record = token_pair_fields,
          .item_size = sizeof(struct token_pair)),
    { 0 },
};

static struct origin origin_of(struct request *req)
{
    return (struct origin){ .device = request_device(req), .client = request_client(req) };
}

static struct response *not_kept(struct request *req, struct response *res)
{
    response_header(req, res, "cache-control", "no-store");
    return res;
}

static struct response *sign_up(struct request *req)
{
    struct new_user in = { .locale = req->ctx.locale };
    if (!request_body(req, new_user_fields, &in))
        return NULL;
    struct origin origin = origin_of(req);
    struct signed_in *out = signup_basic(&req->ctx, req->service, &in, &origin);
    return out ? not_kept(req, respond_created(req, "success", signed_in_fields, out)) : NULL;
}

static struct response *sign_in(struct request *req)
{
    struct signin_basic in = { 0 };
    if (!request_body(req, signin_fields, &in))
        return NULL;
    struct origin origin = origin_of(req);
    origin.nonce = in.nonce;
    struct signed_in *out = signin_basic(&req->ctx, req->service, &in, &origin);
    return out ? not_kept(req, respond(req, "success", signed_in_fields, out)) : NULL;
}

static bool everywhere(struct request *req, bool *out)
{
    const char *all = request_query(req, "all");
    *out = text_equal(all, "true");
    if (!all || *out || text_equal(all, "false"))
        return true;
    ctx_violation(&req->ctx, "all", "enum", "all must be true or false");
    return false;
}

static struct response *sign_out(struct request *req)
{
    bool all;
    if (!everywhere(req, &all))
        return NULL;
    const struct signin *signin = req->service;
    if (!deed_begin(req, signin->users->vault, all ? "sessions.ended" : "session.ended", NULL))
        return NULL;
    bool done = all ? signout_everywhere(&req->ctx, req->service, req->caller->user_id)
                    : signout(&req->ctx, req->service, req->caller->session_id);
    return done ? respond(req, "signed out", NULL, NULL) : NULL;
}

static struct response *change_password(struct request *req)
{
    const struct signin *signin = req->service;
    struct password_change in = { 0 };
    if (!request_body(req, password_fields, &in))
        return NULL;
    struct origin origin = origin_of(req);
    if (!deed_begin(req, signin->users->vault, "password.changed", NULL) ||
        !password_change(&req->ctx, req->service, req->caller->user_id, req->caller->session_id, &in, &origin))
        return NULL;
    return respond(req, "the password is changed", NULL, NULL);
}

static struct response *delete_mine(struct request *req)
{
    struct farewell in = { 0 };
    struct origin origin = origin_of(req);
    const struct signin *signin = req->service;
    if (!request_body(req, farewell_fields, &in) || !deed_begin(req, signin->users->vault, "user.deleted", NULL) ||
        !account_delete_mine(&req->ctx, req->service, req->caller->user_id, in.password, &origin))
        return NULL;
    return respond(req, "the account is deleted", NULL, NULL);
}

const struct route signin_routes[] = {
    { POST, "/signup/basic", sign_up, KEY, .heavy = true, .in = new_user_fields, .out = signed_in_fields,
      .summary = "Makes an account and signs it in" },
    { POST, "/signin/basic", sign_in, KEY, .heavy = true, .in = signin_fields, .out = signed_in_fields,
      .summary = "Signs in by address and password" },
    { DELETE, "/signout", sign_out, SIGNED_IN, .summary = "Ends this session; with ?all=true all of this user" },
    { DELETE, "/logout", sign_out, SIGNED_IN, .summary = "The same as /signout" },
    { PUT, "/password", change_password, SIGNED_IN, .heavy = true, .in = password_fields,
      .summary = "Changes the password and ends all other sessions" },
    { POST, "/profile/mine/delete", delete_mine, SIGNED_IN, .heavy = true, .in = farewell_fields,
      .summary = "Deletes one's own account: nothing is left that tells whose it was (docs/administration.md)" },
    { 0 },
};
