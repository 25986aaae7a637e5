#pragma once
/* What a signed-in caller gets: an access token (RFC 9068), an ID token, and the session's refresh token. */
#include "key/key_ring.h"
#include "session/session.h"

struct token_pair {
    const char *access, *refresh, *id;
    int64_t expires_in; /* seconds, of the access token */
};
extern const struct field token_pair_fields[];

struct tokens {
    struct key_ring *ring;
    const char *issuer, *audience;
    int64_t ttl_ms; /* of access and ID tokens */
};

/*
 * `client`: the id of the API key that the request came with, NULL where there is none. `nonce`: what the client gave
 * to find again in its ID token, NULL where there is none, and at a refresh (OpenID Connect Core 12.2).
 */
struct token_pair *tokens_issue(struct ctx *ctx, const struct tokens *tokens, const struct user *user,
                                const struct held_session *held, const char *client, const char *nonce);

/* Signature, typ, iss, aud and, unless `expired_too`, exp. ERROR_UNAUTHORIZED. */
bool token_check(struct ctx *ctx, const struct tokens *tokens, const char *access_token, bool expired_too,
                 struct jwt_claims *out);
