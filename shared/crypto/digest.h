#pragma once
/* Hashes and message authentication (OpenSSL), sealed secrets (libsodium). Any thread. */
#include "base/ctx.h"

enum { SHA256_SIZE = 32, SHA256_HEX = 64 };

void sha256(const void *data, size_t size, unsigned char out[SHA256_SIZE]);
char *sha256_hex(struct arena *arena, const void *data, size_t size);
void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size, unsigned char out[SHA256_SIZE]);
char *base64url(struct arena *arena, const void *data, size_t size);
/* NULL where `text` is not base64url. */
unsigned char *base64url_decode(struct arena *arena, const char *text, size_t *size);

/* AEAD (XChaCha20-Poly1305) under a key made from `secret` (HKDF, `purpose` as info); base64url out. `bound` is
 * authenticated with it (an id). */
char *seal(struct ctx *ctx, const char *secret, const char *purpose, const char *bound, const void *data, size_t size);
/* ERROR_INTERNAL when it was not sealed by this secret, purpose and bound. */
char *unseal(struct ctx *ctx, const char *secret, const char *purpose, const char *bound, const char *sealed,
             size_t *size);
