#pragma once
/*
 * The keys in use, opened once: one signs, all verify. A snapshot that is
 * replaced as a whole: by a chore every 30 s, and (at most once in 10 s) when a
 * token names a key that is not in it. Any thread.
 */
#include "key/signing_key.h"

struct key_ring;

/* Ensures that there is a key (signing_keys_ensure) and opens all. `keys` is kept. */
struct key_ring *key_ring_open(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, const char *file);
void key_ring_close(struct key_ring *ring);

/* A chore: reads the keys again. The old ones stay in use where it fails. */
bool key_ring_refresh(struct ctx *ctx, void *ring);

char *key_ring_sign(struct ctx *ctx, struct key_ring *ring, const char *typ, const struct jwt_claims *claims);
/* As jwt_verify(). */
bool key_ring_verify(struct ctx *ctx, struct key_ring *ring, const char *token, const struct jwt_expect *expect,
                     struct jwt_claims *out);
/* RFC 7517, public parts; in ctx->arena. Never blocks. */
char *key_ring_jwks(struct ctx *ctx, struct key_ring *ring);
