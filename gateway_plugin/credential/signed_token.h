#pragma once
/*
 * Signed tokens as Kong's jwt plugin takes them (RFC 7515, compact form): any of
 * its algorithms, under the key of whoever signs. The algorithm is that of the
 * key; what the token says of it is only compared. Tokens of auth itself: crypto/jwt.h.
 */
#include "base/arena.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>

enum token_alg {
    TOKEN_HS256,
    TOKEN_HS384,
    TOKEN_HS512,
    TOKEN_RS256,
    TOKEN_RS384,
    TOKEN_RS512,
    TOKEN_ES256,
    TOKEN_ES384,
    TOKEN_ES512,
    TOKEN_PS256,
    TOKEN_PS384,
    TOKEN_PS512,
    TOKEN_EDDSA,
};
extern const char *const token_alg_names[]; /* in this order; NULL-terminated */

struct token_key {
    int alg; /* enum token_alg */
    EVP_PKEY *public_key;
    const void *secret; /* HS256 ... */
    size_t secret_size;
};

struct token {
    json_t *head, *claims; /* objects */
    const char *data;      /* what the signature is over */
    size_t data_size;
    unsigned char *signature;
    size_t signature_size;
};

enum { TOKEN_SIZE_MAX = 16 * 1024 };

bool token_is_symmetric(int alg);
/* NULL: it is read, to be given back by token_finish(). Else why it is not. */
const char *token_read(struct arena *arena, const char *text, struct token *out);
void token_finish(struct token *token);
/* The algorithm is the key's, and the signature is right. */
bool token_verify(const struct token *token, const struct token_key *key);
/* A public key in PEM that fits the algorithm; NULL and `*reason` where it is none. */
EVP_PKEY *token_key_read(const char *pem, int alg, const char **reason);
/* Either alphabet of base64, with or without padding; NULL where it is none. */
unsigned char *token_base64(struct arena *arena, const char *text, size_t *size);
