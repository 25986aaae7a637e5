#pragma once
/*
 * Tokens of other issuers: access tokens (RFC 9068) and ID tokens (OpenID Connect Core, 3.1.3.7), checked per RFC 8725
 * as jwt_verify() checks ours: the key by its kid, its one algorithm, `typ`, `iss`, `aud`, `exp`, `nbf`, `iat`. Unlike
 * ours, `aud` may be a list, times may have fractions, and all claims are handed out, for there are others in them.
 */
#include "crypto/jwt.h"

#include <jansson.h>

struct jwt_foreign_expect {
    const char
        *typ; /* "at+jwt"; or "JWT": an ID token, whose `typ` may be left out, and whose `azp` must be `audience` */
    const char *issuer, *audience;
    const char *nonce; /* ID tokens: must be this one; NULL = not looked at */
    int64_t now;       /* unix seconds */
    int64_t leeway;    /* seconds that the issuer's clock may be ahead (nbf, iat); exp has none */
};

/*
 * `*claims` is the caller's, by json_decref(). `sub` is a text of 1 to 255 bytes, `exp` and `iat` are numbers in it.
 * ERROR_UNAUTHORIZED for whatever is wrong (the message says which check); at most 8 KiB. `*unknown_kid` (may be NULL)
 * is set where only the kid is not in the set.
 */
bool jwt_verify_foreign(struct ctx *ctx, const struct jwt_keys *keys, const char *token,
                        const struct jwt_foreign_expect *expect, json_t **claims, const char **unknown_kid);

/* A time among verified claims, in whole seconds; 0 where it is none. */
int64_t jwt_claim_time(const json_t *claims, const char *name);

/* The `iss` that a token claims, unverified: to know by whose keys to look. NULL: none, or this is no token. */
const char *jwt_claimed_issuer(struct arena *arena, const char *token);
