#include "crypto/password.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "base/text.h"

#include <crypt.h>
#include <sodium.h>
#include <string.h>

enum {
    BCRYPT_COST_MAX = 15
}; /* 2^15 rounds: two seconds. What somebody stored beyond that would hold a thread for hours */

static bool ready(struct ctx *ctx)
{
    return sodium_init() >= 0 || ctx_fail(ctx, ERROR_INTERNAL, "libsodium does not start");
}

char *password_hash(struct ctx *ctx, const char *password, struct password_cost cost)
{
    char *hash = arena_alloc(&ctx->arena, crypto_pwhash_STRBYTES);
    if (!ready(ctx))
        return NULL;
    if (crypto_pwhash_str_alg(hash, password, strlen(password), (unsigned long long)cost.operations,
                              (size_t)cost.memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "no memory to hash a password");
    return hash;
}

/* What a comparison costs, for an account that is not there. */
static void spend(const char *password, struct password_cost cost)
{
    unsigned char salt[crypto_pwhash_SALTBYTES], out[32];
    random_bytes(salt, sizeof salt);
    if (crypto_pwhash(out, sizeof out, password, strlen(password), salt, (unsigned long long)cost.operations,
                      (size_t)cost.memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return; /* no memory: that comparison would have failed as well */
    sodium_memzero(out, sizeof out);
}

static bool is_bcrypt(const char *hash)
{
    return text_starts(hash, "$2a$") || text_starts(hash, "$2b$") || text_starts(hash, "$2y$");
}

static bool bcrypt_matches(struct ctx *ctx, const char *password, const char *hash)
{
    int64_t cost;
    const char digits[3] = { hash[4], hash[4] ? hash[5] : 0, 0 };
    if (!text_number(digits, BCRYPT_COST_MAX, &cost))
        return ctx_fail(ctx, ERROR_INTERNAL, "a stored bcrypt hash is too costly or none");
    _cleanup_(freep) void *data = calloc(1, sizeof(struct crypt_data));
    if (!data)
        abort();
    const char *made = crypt_rn(password, hash, data,
                                sizeof(struct crypt_data)); /* NULL where crypt_r() makes up "*0" */
    bool same = made && text_secret_equal(made, hash);
    sodium_memzero(data, sizeof(struct crypt_data));
    return same;
}

bool password_matches(struct ctx *ctx, const char *password, const char *hash, struct password_cost cost,
                      bool *outdated)
{
    bool matches = false, old = false;
    if (!ready(ctx))
        return false;
    if (!hash)
        spend(password, cost);
    else if (is_bcrypt(hash)) {
        matches = old = bcrypt_matches(ctx, password, hash);
        if (!matches) /* as it costs to refuse anybody; who comes in pays for the new hash */
            spend(password, cost);
    } else if (crypto_pwhash_str_verify(hash, password, strlen(password)) == 0) {
        matches = true;
        old = !text_starts(hash, crypto_pwhash_argon2id_STRPREFIX) ||
              crypto_pwhash_str_needs_rehash(hash, (unsigned long long)cost.operations, (size_t)cost.memory) != 0;
    }
    if (outdated)
        *outdated = old;
    return matches;
}
