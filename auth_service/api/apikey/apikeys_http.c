#include "apikey/apikeys_http.h"

#include "audit/deed.h"

#include "apikey/apikeys_view.h"
#include "role/role.h"

/* What is made is told once, together with the key. */
struct issued_view {
    const char *id, *key, *name, *prefix;
    struct list scopes;
    int64_t rate, expires_at;
};

static const struct field issued_fields[] = {
    FIELD("id", ID, struct issued_view, id, .required = true),
    FIELD("key", TEXT, struct issued_view, key, .required = true, .sensitive = true, .doc = "shown this once"),
    FIELD("name", TEXT, struct issued_view, name, .required = true),
    FIELD("prefix", TEXT, struct issued_view, prefix, .required = true),
    FIELD("scopes", LIST, struct issued_view, scopes, .item = TEXT, .always = true),
    FIELD("rate", INTEGER, struct issued_view, rate, .doc = "requests a minute; absent: no limit"),
    FIELD("expiresAt", TIME, struct issued_view, expires_at, .always = true),
    { 0 },
};

static const struct field listed_fields[] = {
    FIELD("id", ID, struct apikey, doc.id, .required = true),
    FIELD("name", TEXT, struct apikey, name, .required = true),
    FIELD("prefix", TEXT, struct apikey, prefix, .required = true),
    FIELD("scopes", LIST, struct apikey, scopes, .item = TEXT, .always = true),
    FIELD("rate", INTEGER, struct apikey, rate, .doc = "requests a minute; absent: no limit"),
    FIELD("createdBy", ID, struct apikey, created_by),
    FIELD("createdAt", TIME, struct apikey, created_at),
    FIELD("expiresAt", TIME, struct apikey, expires_at, .always = true),
    FIELD("lastUsedAt", TIME, struct apikey, used_at, .always = true,
          .doc = "to a minute or two: written at most once a minute, and gateways remember a key for one"),
    { 0 },
};

static struct response *create(struct request *req)
{
    struct new_apikey in = { .created_by = req->caller->user_id };
    const struct apikeys *apikeys = req->service;
    if (!request_body(req, new_apikey_fields, &in) ||
        !deed_begin(req, apikeys->vault, "apikey.created", deed_list(&req->ctx, &in.scopes)))
        return NULL;
    struct issued_apikey *issued = apikey_create(&req->ctx, req->service, &in);
    if (!issued)
        return NULL;
    const struct apikey *apikey = issued->apikey;
    struct issued_view view = { apikey->doc.id, issued->key,  apikey->name,      apikey->prefix,
                                apikey->scopes, apikey->rate, apikey->expires_at };
    struct response *res = respond_created(req, "the key is shown this once", issued_fields, &view);
    response_header(req, res, "cache-control", "no-store");
    return res;
}

static struct response *list(struct request *req)
{
    size_t limit;
    const char *cursor;
    struct page page;
    if (!request_page(req, &limit, &cursor) || !apikey_list(&req->ctx, req->service, limit, cursor, &page))
        return NULL;
    return respond_page(req, "success", listed_fields, page.items, sizeof(struct apikey), page.count, page.next);
}

static struct response *revoke_key(struct request *req)
{
    const struct apikeys *apikeys = req->service;
    if (!deed_begin(req, apikeys->vault, "apikey.revoked", NULL) ||
        !apikey_revoke(&req->ctx, apikeys, request_param(req, "id")))
        return NULL;
    return respond(req, "the key is revoked", NULL, NULL);
}

/* What the gateway was asked for, in the header that its kind sends. */
static const char *asked_path(const struct request *req)
{
    const char *nginx = request_header(req, "x-original-uri");
    return nginx ? nginx : request_header(req, "x-forwarded-uri");
}

static struct response *verify(struct request *req)
{
    const char *text = request_header(req, "x-api-key");
    if (!text)
        return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "an API key is needed");
    const struct api_key *key = apikey_check(&req->ctx, req->service, text);
    if (!key)
        return NULL;
    if (!apikey_reaches(key, asked_path(req)))
        return ctx_fail(&req->ctx, ERROR_FORBIDDEN, "the API key does not reach this");
    return respond(req, "success", valid_apikey_fields, apikey_view(&req->ctx, key));
}

const struct route apikey_routes[] = {
    { POST, "/apikeys", create, SIGNED_IN, .role = ROLE_ADMIN, .in = new_apikey_fields, .out = issued_fields,
      .summary = "Makes an API key" },
    { GET, "/apikeys", list, SIGNED_IN, .role = ROLE_ADMIN, .out = listed_fields,
      .summary = "The API keys in force, oldest first" },
    { DELETE, "/apikeys/{id}", revoke_key, SIGNED_IN, .role = ROLE_ADMIN, .summary = "Revokes an API key" },
    { GET, "/verify/apikey", verify, PUBLIC, .out = valid_apikey_fields,
      .summary =
          "For gateways: whether X-API-Key reaches the path in X-Original-URI (or X-Forwarded-Uri); without a path, "
          "whether it reaches everything" },
    { 0 },
};
