#pragma once
/* Auth's public keys, as others know them: asked for by auth.jwks, again after a minute, and when a token names one
 * that is not there. For shared/nats only. */
#include "crypto/jwt.h"
#include "nats/bus.h"

struct remote_keys;

struct remote_keys *remote_keys_create(struct bus *bus);
void remote_keys_destroy(struct remote_keys *keys);

/* The set, to be given back by jwt_keys_unref(). UNAVAILABLE where there is none and none is to be had. */
struct jwt_keys *remote_keys_get(struct ctx *ctx, struct remote_keys *keys);
/* A token names a key that is not in the set: looks again, at most once in 10 s. true: the set is another one now.
 * UNAVAILABLE where auth cannot be asked: then nobody knows. */
bool remote_keys_look_again(struct ctx *ctx, struct remote_keys *keys);
/* If this is one of the keys: forgets them all, so that they are asked for anew. */
bool remote_keys_revoke(struct remote_keys *keys, const char *kid);
