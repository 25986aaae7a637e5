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
    EVP_MD_CTX *signer;        /* jwt_signer(), or NULL; its owner frees it */
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
    /* ID tokens only (OpenID Connect Core 2, 3.1.3.6, 5.1) */
    const char *name, *email, *picture, *locale, *nonce;
    const char *access_hash; /* at_hash: jwt_access_hash() of the access token beside it */
    int64_t signed_in;       /* auth_time, unix seconds: when the person showed who they are */
    bool email_verified;     /* told with `email` alone */
    const char *key;         /* of jwt_verify(): the kid it was signed with */
};

/* What each signature with this key would begin with anew (a twentieth of an RSA one): a copy of it signs. NULL: it
 * does not. */
EVP_MD_CTX *jwt_signer(EVP_PKEY *key);
/* `typ`: "at+jwt" or "JWT" (an ID token). Compact serialisation. */
char *jwt_sign(struct ctx *ctx, const struct jwt_key *key, const char *typ, const struct jwt_claims *claims);
/* What an ID token says of the access token issued with it: the left half of its SHA-256 (RS256, ES256), base64url. */
char *jwt_access_hash(struct arena *arena, const char *access_token);

/* RFC 7519 4.1.4, 4.1.5: "no more than a few minutes". What clocks may differ by, here and in auth's states of keys. */
enum { JWT_LEEWAY_S = 60 };

struct jwt_expect {
    const char *typ, *issuer, *audience;
    int64_t now;      /* unix seconds */
    int64_t leeway;   /* seconds that the issuer's clock may be ahead (nbf, iat); exp has none: an end is an end */
    bool expired_too; /* exp is not looked at: whose an old token was */
};
/*
 * ERROR_UNAUTHORIZED for whatever is wrong (the message says which check, in words safe to show);
 * at most 8 KiB; `*unknown_kid` (may be NULL) is set where only the kid is not in the set.
 */
bool jwt_verify(struct ctx *ctx, const struct jwt_keys *keys, const char *token, const struct jwt_expect *expect,
                struct jwt_claims *out, const char **unknown_kid);
