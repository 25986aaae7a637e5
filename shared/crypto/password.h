#pragma once
/* argon2id (libsodium) in its PHC string form; bcrypt hashes are checked and reported as outdated. Costs CPU and
 * memory: call it on the password pool. */
#include "base/ctx.h"

struct password_cost {
    int64_t operations; /* t: OWASP 2 */
    int64_t memory;     /* bytes: OWASP 19 MiB */
};

char *password_hash(struct ctx *ctx, const char *password, struct password_cost cost);
/* A NULL hash costs the same time and never matches; so does, but for the time of bcrypt itself, a bcrypt hash.
 * `*outdated` (may be NULL): it matched, and should be hashed anew at this cost. */
bool password_matches(struct ctx *ctx, const char *password, const char *hash, struct password_cost cost,
                      bool *outdated);
