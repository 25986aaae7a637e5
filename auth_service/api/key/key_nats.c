#include "key/key_nats.h"

#include "contract/subjects.h"

#include <string.h>

struct jwks_question {
    const char *issuer, *kid;
};

static const struct field jwks_question_fields[] = {
    FIELD("issuer", TEXT, struct jwks_question, issuer, .max = 2048, .doc = "one of the issuers, to look for a key of"),
    FIELD("kid", TEXT, struct jwks_question, kid, .max = 128),
    { 0 },
};

static struct response *jwks(struct request *req)
{
    const struct key_service *keys = req->service;
    struct jwks_question in = { 0 };
    if (req->body_size && !request_body(req, jwks_question_fields, &in))
        return NULL;
    const char *json = key_ring_jwks_now(&req->ctx, keys->ring);
    json = json ? trusted_jwks(&req->ctx, keys->trusted, json, in.issuer, in.kid) : NULL;
    return json ? respond_raw(req, 200, NULL, json, strlen(json)) : NULL;
}

const struct subject key_subjects[] = {
    { SUBJECT_JWKS, jwks, "The public keys that tokens are verified with (RFC 7517), and those of trusted issuers",
      jwks_question_fields },
    { 0 },
};
