#include "key/key_http.h"

#include <string.h>

/* Not in the envelope: this document is RFC 7517's. Kept a minute by clients, so that a withdrawn key is soon gone. */
static struct response *jwks(struct request *req)
{
    const struct key_service *keys = req->service;
    const char *json = key_ring_jwks(&req->ctx, keys->ring);
    struct response *res = respond_raw(req, 200, "application/json", json, strlen(json));
    response_header(req, res, "cache-control", "public, max-age=60");
    return res;
}

const struct route key_routes[] = {
    { GET, "/.well-known/jwks.json", jwks, PUBLIC, .on_loop = true,
      .summary = "The public keys that tokens are verified with (RFC 7517)" },
    { 0 },
};
