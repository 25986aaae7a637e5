#pragma once
/*
 * The issuers whose access tokens auth takes besides its own, as auth.jwks tells them to other services beside its
 * keys:
 *
 *     {"keys": [...], "issuers": [{"issuer", "audience", "leeway" (s), "away", "keys": [...]}]}
 *
 * so that they refuse a forgery without asking. Immutable, counted by reference; any thread.
 */
#include "crypto/jwt_foreign.h"

enum { JWT_ISSUERS_MAX = 8 };

struct jwt_issuer {
    const char *issuer, *audience;
    int64_t leeway; /* seconds; of nbf and iat */
    bool away;      /* auth cannot say now which keys there are */
    struct jwt_keys *keys;
};

struct jwt_issuers;

/* NULL: it tells of none. Those that are not whole are passed over. */
struct jwt_issuers *jwt_issuers_parse(struct arena *arena, const char *json, size_t size);
struct jwt_issuers *jwt_issuers_ref(struct jwt_issuers *issuers);
void jwt_issuers_unref(struct jwt_issuers *issuers); /* NULL is fine */
/* As long as `issuers` lives; NULL: not among them. Both may be NULL. */
const struct jwt_issuer *jwt_issuers_find(const struct jwt_issuers *issuers, const char *issuer);

/* The JSON above; `own` is what jwks_write() made of auth's own keys. */
char *jwt_issuers_write(struct ctx *ctx, const char *own, const struct jwt_issuer *issuers, size_t count);
