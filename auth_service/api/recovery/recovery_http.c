#include "recovery/recovery_http.h"

#include "token/request_origin.h"
#include "user/common_password.h"

struct verify {
    const char *code;
};

struct forgot {
    const char *email;
};

#define CODE_PATTERN "^[0-9]{6}$"

static const struct field verify_fields[] = {
    FIELD("code", TEXT, struct verify, code, .required = true, .pattern = CODE_PATTERN, .sensitive = true),
    { 0 },
};

static const struct field forgot_fields[] = {
    FIELD("email", TEXT, struct forgot, email, .required = true, .max = USER_EMAIL_MAX, .valid = is_email,
          .rule = "email", .sensitive = true),
    { 0 },
};

static const struct field reset_fields[] = {
    FIELD("email", TEXT, struct password_reset, email, .required = true, .max = USER_EMAIL_MAX, .valid = is_email,
          .rule = "email", .sensitive = true),
    FIELD("code", TEXT, struct password_reset, code, .required = true, .pattern = CODE_PATTERN, .sensitive = true),
    FIELD("password", TEXT, struct password_reset, password, .required = true, .min = USER_PASSWORD_MIN,
          .max = USER_PASSWORD_MAX, .valid = is_uncommon_password, .rule = "uncommon", .sensitive = true),
    { 0 },
};

static struct response *verify(struct request *req)
{
    struct verify in = { 0 };
    if (!request_body(req, verify_fields, &in))
        return NULL;
    struct origin origin = { .device = request_device(req), .client = request_client(req) };
    if (!email_verify(&req->ctx, req->service, req->caller->user_id, in.code, &origin))
        return NULL;
    return respond(req, "the address is verified", NULL, NULL);
}

static struct response *resend(struct request *req)
{
    if (!email_resend(&req->ctx, req->service, req->caller->user_id))
        return NULL;
    return respond(req, "a code is on its way", NULL, NULL);
}

static struct response *forgot(struct request *req)
{
    struct forgot in = { 0 };
    if (!request_body(req, forgot_fields, &in) || !password_forgot(&req->ctx, req->service, in.email))
        return NULL;
    return respond(req, "where there is an account with this address, a code is on its way", NULL, NULL);
}

static struct response *reset(struct request *req)
{
    struct password_reset in = { 0 };
    if (!request_body(req, reset_fields, &in))
        return NULL;
    struct origin origin = { .device = request_device(req), .client = request_client(req) };
    if (!password_reset(&req->ctx, req->service, &in, &origin))
        return NULL;
    return respond(req, "the password is changed", NULL, NULL);
}

const struct route recovery_routes[] = {
    { POST, "/email/verify", verify, SIGNED_IN, .in = verify_fields,
      .summary = "Takes the code that was sent to this user's address; 409 when it is verified already" },
    { POST, "/email/verify/resend", resend, SIGNED_IN,
      .summary = "Sends a new code; at most five codes an hour leave for an account, then 429" },
    { POST, "/password/forgot", forgot, KEY, .heavy = true, .in = forgot_fields,
      .summary = "Sends a code to this address, and answers alike whether there is an account" },
    { POST, "/password/reset", reset, KEY, .heavy = true, .in = reset_fields,
      .summary = "Takes the code, sets the password and ends all sessions of this user" },
    { 0 },
};
