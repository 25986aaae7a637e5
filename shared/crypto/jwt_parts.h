#pragma once
/* What the files about tokens share. */
#include "crypto/jwt.h"

#include <jansson.h>

enum {
    JWT_KEYS_MAX = 32,
    JWT_KID_MAX = 128,
    JWT_SIZE_MAX = 8192,
    JWKS_SIZE_MAX = 256 * 1024,
    PEM_SIZE_MAX = 64 * 1024,
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192, /* a verification takes 16 times as long as one of 2,048 */
    P256_BYTES = 32
};

size_t jwt_keys_count(const struct jwt_keys *keys);
const struct jwt_key *jwt_keys_at(const struct jwt_keys *keys, size_t i);
const struct jwt_key *jwt_keys_find(const struct jwt_keys *keys, const char *kid);

/* "RS256", "ES256" */
const char *jwt_alg_name(enum jwt_alg alg);
/* The one algorithm that a key of ours is for; 0 where it is for none. */
enum jwt_alg jwt_key_alg(EVP_PKEY *key);

/* The public numbers of a JWK in base64url: e and n, or x and y. */
struct jwk_numbers {
    const char *e, *n, *x, *y;
};
struct jwk_numbers jwk_numbers(struct arena *arena, EVP_PKEY *key);

/* A JOSE signature of `data`, base64url. */
char *jws_sign(struct ctx *ctx, const struct jwt_key *key, const char *data, size_t size);
/* No error is left: the caller says what is wrong. */
bool jws_verify(const struct jwt_key *key, const char *data, size_t size, const unsigned char *signature,
                size_t signature_size);

/* The text that a part of a token stands for; in the one spelling that base64url allows, without a NUL. NULL: none. */
char *jwt_part_text(struct arena *arena, const char *part, size_t size);
/* RFC 7515 4.1.9: "application/" may be left out. NULL is none. */
bool jwt_is_type(const char *typ, const char *wanted);

/* The keys of a set that is read already; NULL: it is none. */
struct jwt_keys *jwks_take(struct arena *arena, const json_t *root);
