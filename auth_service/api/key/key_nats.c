#include "key/key_nats.h"

#include "contract/subjects.h"

#include <string.h>

static struct response *jwks(struct request *req)
{
    const struct key_service *keys = req->service;
    const char *json = key_ring_jwks(&req->ctx, keys->ring);
    return respond_raw(req, 200, NULL, json, strlen(json));
}

const struct subject key_subjects[] = {
    { SUBJECT_JWKS, jwks, "The public keys that tokens are verified with (RFC 7517)" },
    { 0 },
};
