#include "key/signing_key.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "key/signing_key_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PEM_MAX = 64 * 1024, ENSURE_TRIES = 8 };

const char *const signing_algs[] = { "RS256", "ES256", NULL };

static const char purpose[] = "signing-key";

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(FILE *, fclose)

static bool next_ordinal(struct ctx *ctx, const struct signing_keys *keys, int64_t *out)
{
    struct signing_key *items;
    size_t count;
    if (!signing_key_store_all(ctx, keys->store, &items, &count))
        return false;
    *out = count ? items[0].ordinal + 1 : 1;
    return true;
}

static struct signing_key *put(struct ctx *ctx, const struct signing_keys *keys, EVP_PKEY *evp, enum jwt_alg alg,
                               int64_t signs_from)
{
    struct signing_key *key = arena_new(&ctx->arena, struct signing_key);
    const char *master = secret_value(ctx, keys->master);
    const char *kid = jwt_key_kid(ctx, evp);
    char *pem = jwt_key_write(ctx, evp);
    if (!master || !kid || !pem || !next_ordinal(ctx, keys, &key->ordinal))
        return NULL;
    key->doc.id = kid;
    key->alg = (int)alg - 1;
    key->created_at = clock_now_ms();
    key->signs_from = signs_from;
    key->sealed = seal(ctx, master, purpose, kid, pem, strlen(pem));
    OPENSSL_cleanse(pem, strlen(pem));
    return key->sealed && signing_key_store_insert(ctx, keys->store, key) ? key : NULL;
}

struct signing_key *signing_key_generate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                         int64_t signs_from)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *evp = jwt_key_generate(ctx, alg);
    return evp ? put(ctx, keys, evp, alg, signs_from) : NULL;
}

struct signing_key *signing_key_import(struct ctx *ctx, const struct signing_keys *keys, const char *pem, size_t size,
                                       int64_t signs_from)
{
    enum jwt_alg alg;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *evp = jwt_key_read(ctx, pem, size, &alg);
    return evp ? put(ctx, keys, evp, alg, signs_from) : NULL;
}

bool signing_key_list(struct ctx *ctx, const struct signing_keys *keys, struct list *out)
{
    struct signing_key *items;
    size_t count;
    if (!signing_key_store_all(ctx, keys->store, &items, &count))
        return false;
    struct signing_key *kept = arena_array(&ctx->arena, struct signing_key, count + 1);
    *out = (struct list){ .items = kept };
    int64_t now = clock_now_ms();
    for (size_t i = count; i-- > 0;)
        if (!items[i].until || items[i].until > now)
            kept[out->count++] = items[i];
    return true;
}

EVP_PKEY *signing_key_open(struct ctx *ctx, const struct signing_keys *keys, const struct signing_key *key)
{
    const char *master = secret_value(ctx, keys->master);
    size_t size;
    char *pem = master ? unseal(ctx, master, purpose, key->doc.id, key->sealed, &size) : NULL;
    if (!pem)
        return NULL;
    enum jwt_alg alg;
    EVP_PKEY *evp = jwt_key_read(ctx, pem, size, &alg);
    OPENSSL_cleanse(pem, size);
    return evp;
}

static bool read_file(struct ctx *ctx, const char *path, char *out, size_t *size)
{
    _cleanup_(fclosep) FILE *file = fopen(path, "re");
    if (!file)
        return ctx_fail(ctx, ERROR_INVALID, "AUTH_SIGNING_KEY_FILE: %s: %s", path, strerror(errno));
    *size = fread(out, 1, PEM_MAX, file);
    return *size < PEM_MAX || ctx_fail(ctx, ERROR_INVALID, "AUTH_SIGNING_KEY_FILE: %s is no key", path);
}

static struct signing_key *first_key(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                     const char *file)
{
    if (!file || !*file)
        return signing_key_generate(ctx, keys, alg, clock_now_ms());
    char *pem = arena_alloc(&ctx->arena, PEM_MAX);
    size_t size = 0;
    if (!read_file(ctx, file, pem, &size))
        return NULL;
    struct signing_key *key = signing_key_import(ctx, keys, pem, size, clock_now_ms());
    OPENSSL_cleanse(pem, size);
    return key;
}

static bool has_alg(const struct list *list, enum jwt_alg alg)
{
    const struct signing_key *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (items[i].alg == (int)alg - 1)
            return true;
    return false;
}

bool signing_keys_ensure(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, const char *file)
{
    for (int tries = 0; tries < ENSURE_TRIES; tries++) {
        struct list list;
        if (!signing_key_list(ctx, keys, &list))
            return false;
        if (list.count && has_alg(&list, alg))
            return true;
        const struct signing_key *made =
            list.count ? signing_key_generate(ctx, keys, alg, clock_now_ms() + PUBLISHED_BEFORE_MS)
                       : first_key(ctx, keys, alg, file);
        if (made)
            log_info(ctx, "a signing key was added", "kid", made->doc.id);
        else if (!ctx_forgive(ctx, ERROR_CONFLICT)) /* another replica was first: look again */
            return false;
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "signing keys: too many changes at once");
}
