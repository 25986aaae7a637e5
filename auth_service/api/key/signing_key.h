#pragma once
/*
 * The keys that tokens are signed with, in the store, sealed by a vault. A key
 * is published before it signs, so that every replica and every service has it
 * by then; and stays published until the last token that it signed is out. What
 * state a key is in follows from the keys beside it and the time: a rotation is
 * one write, and there is nothing for a process that dies to leave half done.
 */
#include "crypto/jwt.h"
#include "crypto/vault.h"
#include "store/store.h"

enum {
    PUBLISHED_BEFORE_MS = 10 * 60 * 1000,
    /* Less, and a process may meet a token whose key it has not been told of: the services ask for the keys once a
     * minute, the replicas of auth look every second. */
    PUBLISHED_BEFORE_MIN_MS = 75 * 1000,
    PUBLISHED_BEFORE_MAX_MS = 24 * 3600 * 1000,
    TOKEN_LIFE_MAX_MS = 3600 * 1000, /* the most of ACCESS_TOKEN_TTL */
    CLOCKS_APART_MS = 60 * 1000,
};

/* Published but not yet signing; the one that signs; only verifying; forgotten, or revoked. */
enum key_state { KEY_NEXT, KEY_ACTIVE, KEY_RETIRED, KEY_GONE };
extern const char *const key_states[];

extern const char *const signing_algs[]; /* "RS256", "ES256": index + 1 is an enum jwt_alg */

struct signing_key {
    struct doc doc;     /* the id is the kid */
    int64_t ordinal;    /* 1 for the first; unique, so that replicas that start at once agree on one */
    int alg;            /* index into signing_algs */
    const char *sealed; /* PKCS#8 PEM, sealed by the vault and bound to the kid */
    int64_t created_at, signs_from;
    int64_t until;    /* 0 = open, else it was revoked then */
    int64_t announce; /* since when its end waits to be broadcast; 0 = everybody knows */
};

struct signing_keys {
    struct store *store;
    struct vault vault;
};

/* Makes the next key; it signs from `signs_from` on (unix ms). ERROR_CONFLICT when another replica was first. */
struct signing_key *signing_key_generate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                         int64_t signs_from);
/* Of the key at `at` among `count`, oldest first. */
enum key_state signing_key_state(const struct signing_key *keys, size_t count, size_t at, int64_t now);
/* Oldest first, at most 32, those that are gone left out. */
bool signing_key_list(struct ctx *ctx, const struct signing_keys *keys, struct list *out);
/* The same with those that are gone and not yet forgotten. */
bool signing_key_list_all(struct ctx *ctx, const struct signing_keys *keys, struct list *out);
/* ERROR_INTERNAL when the vault is not the one that sealed it. */
EVP_PKEY *signing_key_open(struct ctx *ctx, const struct signing_keys *keys, const struct signing_key *key);
/*
 * What a start does: where there is no key, the PEM of `file` (may be NULL or "")
 * becomes the first, or one is generated; where there is none of `alg`, the next
 * one is generated and signs after PUBLISHED_BEFORE_MS.
 */
bool signing_keys_ensure(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, const char *file);

/* Makes the next key, which signs `after_ms` from now. ERROR_CONFLICT where one waits to sign already. */
struct signing_key *signing_keys_rotate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                        int64_t after_ms);
/*
 * Ends a key: what it signed is refused from then on, everywhere within a
 * second. Where it was the one that signs, a new one of its algorithm is made
 * first and signs at once. ERROR_NOT_FOUND, also where it is gone already.
 */
bool signing_keys_revoke(struct ctx *ctx, const struct signing_keys *keys, const char *kid);
/* A chore: forgets those that are gone. */
bool signing_keys_sweep(struct ctx *ctx, void *keys);
