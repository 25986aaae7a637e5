#include "oauth/oauth_http.h"

#include "base/text.h"
#include "signin/signin_http.h"
#include "token/request_origin.h"

#include <string.h>

/*
 * The cookie that binds a sign-in to its browser. Lax: it comes with the provider's redirect, which is a navigation,
 * and with nothing that another site does in the background. __Host- (RFC 6265bis, 4.1.3.2): no other host of the
 * domain can put one there.
 */
static const char *cookie_name(const struct request *req)
{
    return text_equal(req->scheme, "https") ? "__Host-tonearm-oauth" : "tonearm-oauth";
}

static const char *cookie_line(struct request *req, const char *value, int seconds)
{
    return arena_printf(&req->ctx.arena, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", cookie_name(req), value,
                        seconds, text_equal(req->scheme, "https") ? "; Secure" : "");
}

/* "a=b; name=VALUE; c=d"; in HTTP/2 a header for each. */
static const char *cookie_in(struct arena *arena, const char *header, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = header; *at; at += strspn(at, "; ")) {
        size_t length = strcspn(at, ";");
        if (length > size && at[size] == '=' && strncmp(at, name, size) == 0)
            return arena_memdup(arena, at + size + 1, length - size - 1);
        at += length;
    }
    return NULL;
}

static const char *cookie_of(struct request *req)
{
    const char *value = NULL;
    for (const struct pair *header = req->headers; header->name && !value; header++)
        if (text_equal(header->name, "cookie"))
            value = cookie_in(&req->ctx.arena, header->value, cookie_name(req));
    return value;
}

/* What the provider must know for ours (RFC 9700, 2.1): it compares it letter by letter. */
static const char *callback_address(struct request *req)
{
    const struct oauth *oauth = req->service;
    struct arena *arena = &req->ctx.arena;
    const char *base = oauth->public_url && *oauth->public_url
                           ? oauth->public_url
                           : arena_printf(arena, "%s://%s%s", req->scheme, req->host, req->prefix);
    return arena_printf(arena, "%s/oauth/%s/callback", base, request_param(req, "provider"));
}

/* Who comes by can neither keep it nor tell others of the code that stands in its address. */
static struct response *for_one(struct request *req, struct response *res)
{
    response_header(req, res, "cache-control", "no-store");
    response_header(req, res, "referrer-policy", "no-referrer");
    return res;
}

static struct response *start(struct request *req)
{
    const struct oauth_begun *begun = oauth_start(&req->ctx, req->service, request_param(req, "provider"),
                                                  callback_address(req), request_client(req));
    if (!begun)
        return NULL;
    struct response *res = respond_json(req, 302, "sign in at the provider", NULL);
    response_header(req, res, "location", begun->location);
    response_header(req, res, "set-cookie", cookie_line(req, begun->cookie, OAUTH_FLOW_MS / 1000));
    return for_one(req, res);
}

static struct response *callback(struct request *req)
{
    const struct oauth_answer in = {
        .provider = request_param(req, "provider"),
        .code = request_query(req, "code"),
        .state = request_query(req, "state"),
        .error = request_query(req, "error"),
        .issuer = request_query(req, "iss"),
        .cookie = cookie_of(req),
    };
    struct origin origin = { .device = request_device(req) };
    struct signed_in *out = oauth_callback(&req->ctx, req->service, &in, &origin);
    if (!out)
        return NULL;
    struct response *res = respond(req, "success", signed_in_fields, out);
    response_header(req, res, "set-cookie", cookie_line(req, "", 0));
    return for_one(req, res);
}

const struct route oauth_routes[] = {
    { GET, "/oauth/{provider}/start", start, KEY,
      .summary = "Sends the browser (302) to an OpenID Connect provider to sign in there" },
    { GET, "/oauth/{provider}/callback", callback, PUBLIC, .out = signed_in_fields,
      .summary = "Where the provider sends it back; held by `state` and a cookie, once (docs/oidc.md)" },
    { 0 },
};
