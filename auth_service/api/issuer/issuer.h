#pragma once
/*
 * An OpenID Connect issuer that the operator trusts: its discovery document, its keys, and what it signs. The document
 * is kept for an hour, the keys for five minutes (and while the issuer is away for a day and an hour); one request asks
 * at a time, one more may wait for it, the others go on with what there is. After a failure nobody asks for 2 s. A key
 * id that nobody knows makes it ask again, once in 10 s: so a rotation is followed at once, and forgeries cost little.
 * Any thread.
 */
#include "crypto/jwt_foreign.h"

struct issuer_settings {
    const char *url;     /* exactly its `iss`; see fetch_may() */
    const char *ca_file; /* see struct fetch */
    int64_t skew_s;      /* how far its clock may be ahead, in seconds */
    int64_t limit_ms;    /* for one of its answers; 0 = FETCH_MS, or ctx->patience_ms where that is set */
    int64_t unknown_ms;  /* how often an unknown key id is looked up; 0 = 10 s */
    int64_t keys_age_ms; /* 0 = five minutes */
};

struct issuer;

/* NULL: ERROR_INVALID for an address that is not to be asked. Asks nobody yet. Copies its settings. */
struct issuer *issuer_create(struct ctx *ctx, const struct issuer_settings *settings);
void issuer_destroy(struct issuer *issuer);
const char *issuer_url(const struct issuer *issuer);
const char *issuer_host(const struct issuer *issuer); /* what errors name */

/* OpenID Connect Discovery 1.0, 3. NULL where it tells none. */
struct issuer_document {
    const char *issuer; /* exactly the address it was asked at */
    const char *authorization_endpoint, *token_endpoint, *userinfo_endpoint, *end_session_endpoint, *jwks_uri;
    bool takes_s256;         /* code_challenge_methods_supported names S256 */
    bool takes_basic;        /* client_secret_basic; also where it does not tell */
    bool takes_post;         /* client_secret_post */
    bool tells_response_iss; /* RFC 9207: its answers carry `iss` */
};

/* In ctx->arena. ERROR_UNAVAILABLE: it is away, or its document is not right (the log tells how). */
bool issuer_discover(struct ctx *ctx, struct issuer *issuer, struct issuer_document *out);

struct issuer_expect {
    const char *typ; /* "at+jwt", "JWT": see struct jwt_foreign_expect */
    const char *audience;
    const char *nonce; /* NULL: not looked at */
    int64_t now_s;     /* unix seconds; 0 = now */
};

/* As jwt_verify_foreign(), with the issuer's keys. ERROR_UNAVAILABLE: it is away, and this cannot be told without it.
 */
bool issuer_verify(struct ctx *ctx, struct issuer *issuer, const char *token, const struct issuer_expect *expect,
                   json_t **claims);

/* The keys as they are known now, counted. Where `kid` (may be NULL) is not among them it asks first, as above.
 * ERROR_UNAVAILABLE: there are none. */
struct jwt_keys *issuer_keys(struct ctx *ctx, struct issuer *issuer, const char *kid);
/* The keys as they are known now, counted; asks nobody. NULL: none, or they are too old. */
struct jwt_keys *issuer_known_keys(struct issuer *issuer);
