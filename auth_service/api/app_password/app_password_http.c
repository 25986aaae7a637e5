#include "app_password/app_password_http.h"

#include "audit/deed.h"

static const struct field issued_fields[] = {
    FIELD("id", ID, struct issued_app_password, id, .required = true),
    FIELD("name", TEXT, struct issued_app_password, name, .required = true),
    FIELD("password", TEXT, struct issued_app_password, password, .required = true, .sensitive = true,
          .doc = "shown this once: what the program takes for a password"),
    FIELD("apiKey", TEXT, struct issued_app_password, api_key, .required = true, .sensitive = true,
          .doc = "shown this once: for programs that take a key"),
    { 0 },
};

static const struct field listed_fields[] = {
    FIELD("id", ID, struct app_password, doc.id, .required = true),
    FIELD("name", TEXT, struct app_password, name, .required = true),
    FIELD("createdAt", TIME, struct app_password, created_at),
    FIELD("lastUsedAt", TIME, struct app_password, used_at, .always = true),
    { 0 },
};

static struct response *create(struct request *req)
{
    const struct app_passwords *service = req->service;
    struct new_app_password in = { 0 };
    if (!request_body(req, new_app_password_fields, &in) ||
        !deed_begin(req, service->vault, "apppassword.created", NULL))
        return NULL;
    const struct issued_app_password *issued = app_password_create(&req->ctx, service, req->caller->user_id, &in);
    if (!issued)
        return NULL;
    struct response *res = respond_created(req, "the password is shown this once", issued_fields, issued);
    response_header(req, res, "cache-control", "no-store");
    return res;
}

static struct response *list(struct request *req)
{
    struct list all;
    if (!app_password_list(&req->ctx, req->service, req->caller->user_id, &all))
        return NULL;
    return respond_list(req, "success", listed_fields, all.items, sizeof(struct app_password), all.count);
}

static struct response *revoke_one(struct request *req)
{
    const struct app_passwords *service = req->service;
    if (!deed_begin(req, service->vault, "apppassword.revoked", NULL) ||
        !app_password_remove(&req->ctx, service, req->caller->user_id, request_param(req, "id")))
        return NULL;
    return respond(req, "the app password is revoked", NULL, NULL);
}

const struct route app_password_routes[] = {
    { POST, "/app-passwords", create, SIGNED_IN, .in = new_app_password_fields, .out = issued_fields,
      .summary = "Makes a password for one program, such as an OpenSubsonic app" },
    { GET, "/app-passwords", list, SIGNED_IN, .out = listed_fields, .summary = "This user's app passwords, by name" },
    { DELETE, "/app-passwords/{id}", revoke_one, SIGNED_IN, .summary = "Revokes an app password of this user" },
    { 0 },
};
