#include "token/token_http.h"

#include "token/request_origin.h"

static const struct field refresh_fields[] = {
    FIELD("refreshToken", TEXT, struct refresh_request, refresh_token, .required = true, .min = 1, .max = 4096,
          .sensitive = true),
    { 0 },
};

static struct response *refresh(struct request *req)
{
    struct refresh_request in = {
        .access_token = request_bearer(req),
        .client = request_client(req),
        .device = request_device(req),
    };
    if (!request_body(req, refresh_fields, &in))
        return NULL;
    struct token_pair *pair = refresh_tokens(&req->ctx, req->service, &in);
    if (!pair)
        return NULL;
    struct response *res = respond(req, "success", token_pair_fields, pair);
    response_header(req, res, "cache-control", "no-store");
    return res;
}

const struct route token_routes[] = {
    { POST, "/token/refresh", refresh, KEY, .in = refresh_fields, .out = token_pair_fields,
      .summary = "The next tokens of a session; the refresh token sent before is used up" },
    { 0 },
};
