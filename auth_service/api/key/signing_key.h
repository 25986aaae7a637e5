#pragma once
/*
 * The keys that tokens are signed with, in the store, sealed under the master
 * secret. A key is published before it signs, so that every replica and every
 * service has it by then.
 */
#include "base/settings.h"
#include "crypto/jwt.h"
#include "store/store.h"

enum { PUBLISHED_BEFORE_MS = 10 * 60 * 1000 };

extern const char *const signing_algs[]; /* "RS256", "ES256": index + 1 is an enum jwt_alg */

struct signing_key {
    struct doc doc;     /* the id is the kid */
    int64_t ordinal;    /* 1 for the first; unique, so that replicas that start at once agree on one */
    int alg;            /* index into signing_algs */
    const char *sealed; /* PKCS#8 PEM under the master secret, bound to the kid */
    int64_t created_at, signs_from, until; /* until: 0 = open */
};

struct signing_keys {
    struct store *store;
    const struct secret *master;
};

/* Makes the next key; it signs from `signs_from` on (unix ms). ERROR_CONFLICT when another replica was first. */
struct signing_key *signing_key_generate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                         int64_t signs_from);
/* Oldest first, at most 32, those past `until` left out. */
bool signing_key_list(struct ctx *ctx, const struct signing_keys *keys, struct list *out);
/* ERROR_INTERNAL when the master secret is not the one it was sealed under. */
EVP_PKEY *signing_key_open(struct ctx *ctx, const struct signing_keys *keys, const struct signing_key *key);
/*
 * What a start does: where there is no key, the PEM of `file` (may be NULL or "")
 * becomes the first, or one is generated; where there is none of `alg`, the next
 * one is generated and signs after PUBLISHED_BEFORE_MS.
 */
bool signing_keys_ensure(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, const char *file);
