#pragma once
/* Auth's public keys, and those of the issuers that it trusts, as others know them: asked for by auth.jwks, again after
 * a minute, and when a token names one that is not there. For shared/nats only. */
#include "crypto/jwt_issuers.h"
#include "nats/bus.h"

struct remote_keys;

struct remote_keys *remote_keys_create(struct bus *bus);
void remote_keys_destroy(struct remote_keys *keys);

/* The set, to be given back by jwt_keys_unref(). UNAVAILABLE where there is none and none is to be had. */
struct jwt_keys *remote_keys_get(struct ctx *ctx, struct remote_keys *keys);
/* The issuers that auth told with it, to be given back by jwt_issuers_unref(). NULL: none. */
struct jwt_issuers *remote_keys_issuers(struct remote_keys *keys);
/* A token of `issuer` (NULL: auth's own) names a key that is not in the set: looks again, at most once in 10 s (four
 * times a second in the 10 s after a revocation, and where auth does not know an issuer's keys). true: the set is
 * another one now. UNAVAILABLE where auth cannot be asked: then nobody knows. */
bool remote_keys_look_again(struct ctx *ctx, struct remote_keys *keys, const char *issuer, const char *kid);
/* If this is one of the keys: forgets them all, so that they are asked for anew. */
bool remote_keys_revoke(struct remote_keys *keys, const char *kid);
