#pragma once
/*
 * Access tokens: RFC 9068 (typ at+jwt), checked per RFC 8725. libjwt reads and
 * writes the JSON, OpenSSL signs and verifies with keys parsed once: `alg` must
 * be the one pinned for the `kid` before anything else is looked at. `iss` and
 * `aud` are texts, `sub` and `exp` must be there. Keys may be used by any thread.
 */
#include "base/ctx.h"

#include <openssl/evp.h>

enum jwt_alg { JWT_RS256 = 1, JWT_ES256 };

struct jwt_key {
    const char *kid; /* RFC 7638 thumbprint, base64url */
    enum jwt_alg alg;
    EVP_PKEY *key;             /* private or public */
    int64_t signs_from, until; /* unix ms, 0 = open; auth's key states */
};

/* An immutable set of keys; replaced as a whole, counted by reference. */
struct jwt_keys;

struct jwt_keys *jwt_keys_create(void);
/* Takes over the EVP_PKEY, copies the kid. Before the set is shared. At most 32; the first of a kid stays. */
void jwt_keys_add(struct jwt_keys *keys, const char *kid, enum jwt_alg alg, EVP_PKEY *key);
struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys);
void jwt_keys_unref(struct jwt_keys *keys);
bool jwt_keys_has(const struct jwt_keys *keys, const char *kid);

/* RFC 7517. At most 32 keys; those of other kinds are passed over. */
struct jwt_keys *jwks_parse(struct ctx *ctx, const char *json, size_t size);
/* Public parts only. */
char *jwks_write(struct ctx *ctx, const struct jwt_keys *keys);

EVP_PKEY *jwt_key_generate(struct ctx *ctx, enum jwt_alg alg); /* RSA 2048, or P-256 */
/* PEM, private or public, not encrypted: RSA of 2,048 to 8,192 bits, or P-256; else ERROR_INVALID. */
EVP_PKEY *jwt_key_read(struct ctx *ctx, const char *pem, size_t size, enum jwt_alg *alg);
char *jwt_key_write(struct ctx *ctx, EVP_PKEY *key); /* PKCS#8 PEM */
char *jwt_key_kid(struct ctx *ctx, EVP_PKEY *key);   /* RFC 7638 */

struct jwt_claims {
    const char *issuer, *audience, *subject; /* iss, aud, sub */
    const char *session;                     /* sid */
    const char *id;                          /* jti */
    const char *client;                      /* client_id */
    int64_t issued, expires;                 /* unix seconds: iat, exp */
    int64_t user_version;                    /* uv */
    const char *name, *email, *nonce;        /* ID tokens only */
};

/* `typ`: "at+jwt" or "JWT" (an ID token). Compact serialisation. */
char *jwt_sign(struct ctx *ctx, const struct jwt_key *key, const char *typ, const struct jwt_claims *claims);

struct jwt_expect {
    const char *typ, *issuer, *audience;
    int64_t now;      /* unix seconds */
    int64_t leeway;   /* seconds: 5 */
    bool expired_too; /* exp is not looked at: whose an old token was */
};
/*
 * ERROR_UNAUTHORIZED for whatever is wrong (the message says which check, in words safe to show);
 * at most 8 KiB; `*unknown_kid` (may be NULL) is set where only the kid is not in the set.
 */
bool jwt_verify(struct ctx *ctx, const struct jwt_keys *keys, const char *token, const struct jwt_expect *expect,
                struct jwt_claims *out, const char **unknown_kid);
