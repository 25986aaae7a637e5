#pragma once
/*
 * Auth's public keys at the edge: asked for by auth.jwks when the first token
 * comes, again after a minute, and when a token names one that is not there and
 * they are older than 10 s (a quarter of a second, in the 10 s after a revocation). A set that is known goes on being
 * used while auth is away; a key that is revoked is not. Any thread; never blocks.
 */
#include "crypto/jwt.h"
#include "process/loop.h"
#include "nats/bus.h"

struct auth_keys;
struct keys_waiter;

struct auth_keys *auth_keys_create(struct bus *bus);
/* After the bus is closed. NULL is fine. */
void auth_keys_destroy(struct auth_keys *keys);

/* As they are known now, to be given back by jwt_keys_unref(). NULL: not yet. */
struct jwt_keys *auth_keys_get(struct auth_keys *keys);
/* On the loop's thread. `answered`: auth has said which keys there are. */
typedef void keys_done_fn(void *self, bool answered);
/* Asks auth, or joins who asks; `done` is called later, unless it was cancelled. `unknown`: because a token names a key
 * that is not there. NULL: then it was asked just now, or too many wait. */
struct keys_waiter *auth_keys_wait(struct auth_keys *keys, struct loop *loop, bool unknown, keys_done_fn *done,
                                   void *self);
/* On the loop's thread. */
void keys_waiter_cancel(void *waiter);
/* The feed tells of a revoked signing key as of a session of that id: all are asked for anew. */
void auth_keys_revoke(struct auth_keys *keys, const char *id);
