#pragma once
/*
 * What everybody but auth knows about callers: tokens are checked here against
 * auth's JWKS, so a forged one costs no message; then auth.validate.token is
 * asked once per token and replica, auth.validate.role once per user version
 * and row, auth.validate.apikey once per key. Answers hold until the token
 * expires while the feed is whole, else for 30 s after it was; then auth is asked
 * again, and UNAVAILABLE without an answer. Keys are asked for again after 60 s,
 * and are good for 5 min while auth does not answer. Bounded.
 *
 * A revoked signing key is told through the feed as a session whose id is the
 * key's kid: then all keys are asked for anew, and all tokens checked anew.
 *
 * auth.jwks also tells the issuers whose access tokens auth takes besides its own, with their keys: such a token is
 * checked here by them, and asked about and remembered like auth's own.
 */
#include "nats/feed.h"

struct remote_authority;

struct remote_authority_options {
    struct bus *bus;
    const char *issuer, *audience;
    int64_t keep_ms; /* an access token's life: 15 min */
    size_t capacity; /* answers remembered of each kind: 10,000 */
};

struct remote_authority *remote_authority_create(struct ctx *ctx, const struct remote_authority_options *options);
void remote_authority_destroy(struct remote_authority *remote);
struct authority remote_authority(struct remote_authority *remote);
/* The feed has no gap and the JWKS is there: for /ready. */
bool remote_authority_ready(struct ctx *ctx, void *remote);
