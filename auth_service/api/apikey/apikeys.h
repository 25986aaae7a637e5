#pragma once
/*
 * API keys: who calls, not who is signed in. The store has a hash of each; the
 * key itself is shown once, when it is made.
 */
#include "crypto/apikey.h"
#include "http/endpoint.h"
#include "store/store.h"

#define SCOPE_GENERAL "GENERAL" /* reaches everything */

enum { SCOPES_MAX = 16, USE_NOTED_MS = 60000 };

struct apikey {
    struct doc doc;
    const char *name;
    const char *prefix; /* what the key begins with, up to its secret: to tell keys apart */
    const char *hash;
    struct list scopes;     /* of const char *: GENERAL, or beginnings of public paths */
    int64_t rate;           /* requests a minute, kept by the edge; 0 = no limit */
    const char *created_by; /* a user's id; NULL: the command line */
    int64_t created_at;
    int64_t expires_at; /* 0 = never */
    int64_t revoked_at; /* 0 = in force */
    int64_t used_at;    /* when it last passed a check, to the minute; 0 = never */
    int64_t announce;   /* when everybody is to be told of its end: at once, or as it expires */
};

struct announcer;

struct apikeys {
    struct store *store;
    const struct announcer *announcer; /* NULL: the command line */
    const struct vault *vault;         /* as struct users' */
};

struct new_apikey {
    const char *name;
    struct list scopes;
    int64_t expires_at, rate;
    const char *created_by;
};
extern const struct field new_apikey_fields[]; /* name, scopes, expiresAt, rate */

struct issued_apikey {
    struct apikey *apikey;
    const char *key; /* never again */
};

/* A violation of `expiresAt` for a time that has passed. The rest was checked by new_apikey_fields. */
struct issued_apikey *apikey_create(struct ctx *ctx, const struct apikeys *apikeys, const struct new_apikey *in);
/* By age; those revoked are left out, so that a page may be short. Items are struct apikey. */
bool apikey_list(struct ctx *ctx, const struct apikeys *apikeys, size_t limit, const char *cursor, struct page *out);
/* ERROR_NOT_FOUND when there is none, or it was revoked before. */
bool apikey_revoke(struct ctx *ctx, const struct apikeys *apikeys, const char *id);

/* ERROR_UNAUTHORIZED for a key that is none, has been revoked or has expired. Its use is written where none was within
 * the last minute: best effort, by one replica. */
struct api_key *apikey_check(struct ctx *ctx, const struct apikeys *apikeys, const char *key);
/* Whether a scope reaches `path`, segment by segment; only GENERAL reaches a path that is not known (NULL). */
bool apikey_reaches(const struct api_key *key, const char *path);
