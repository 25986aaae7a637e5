#pragma once
/*
 * The keys in use, opened once: one signs, all verify. A snapshot that is
 * replaced as a whole where the store holds others: by a chore every second,
 * when a key is wanted that the feed of revocations does not vouch for, and (at
 * most once in 10 s) when a token names a key that is not in it. A key that the
 * feed has told of neither signs nor verifies, whatever the snapshot holds. Any
 * thread.
 */
#include "key/signing_key.h"
#include "nats/feed.h"

struct key_ring;

/* Ensures that there is a key (signing_keys_ensure) and opens all. `keys` and `feed` are kept. */
struct key_ring *key_ring_open(struct ctx *ctx, const struct signing_keys *keys, struct feed *feed, enum jwt_alg alg,
                               const char *file);
void key_ring_close(struct key_ring *ring);

/* A chore: reads the keys again. The old ones stay in use where it fails. */
bool key_ring_refresh(struct ctx *ctx, void *ring);

char *key_ring_sign(struct ctx *ctx, struct key_ring *ring, const char *typ, const struct jwt_claims *claims);
/* As jwt_verify(); out->key is the kid. */
bool key_ring_verify(struct ctx *ctx, struct key_ring *ring, const char *token, const struct jwt_expect *expect,
                     struct jwt_claims *out);
/* RFC 7517, public parts; in ctx->arena. Never blocks: what was revoked may stand in it for a second. */
char *key_ring_jwks(struct ctx *ctx, struct key_ring *ring);
/* The same, without what was revoked and with what took its place: the store is asked where the feed says so. */
char *key_ring_jwks_now(struct ctx *ctx, struct key_ring *ring);
