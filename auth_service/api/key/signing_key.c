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

/* The keys in force, oldest first, and the ordinal that the next one has if it is added to just these. */
static bool look(struct ctx *ctx, const struct signing_keys *keys, struct list *out, int64_t *next)
{
    struct signing_key *items;
    size_t count;
    if (!signing_key_store_all(ctx, keys->store, &items, &count))
        return false;
    struct signing_key *kept = arena_array(&ctx->arena, struct signing_key, count + 1);
    int64_t now = clock_now_ms();
    *out = (struct list){ .items = kept };
    *next = count ? items[0].ordinal + 1 : 1;
    for (size_t i = count; i-- > 0;)
        if (!items[i].until || items[i].until > now)
            kept[out->count++] = items[i];
    return true;
}

bool signing_key_list(struct ctx *ctx, const struct signing_keys *keys, struct list *out)
{
    int64_t next;
    return look(ctx, keys, out, &next);
}

/* When and in which place a key is added. */
struct place {
    int64_t ordinal, signs_from;
};

static struct signing_key *put(struct ctx *ctx, const struct signing_keys *keys, EVP_PKEY *evp, enum jwt_alg alg,
                               struct place place)
{
    const char *master = secret_value(ctx, keys->master);
    const char *kid = jwt_key_kid(ctx, evp);
    char *pem = jwt_key_write(ctx, evp);
    if (!master || !kid || !pem)
        return NULL;
    struct signing_key *key = arena_new(&ctx->arena, struct signing_key);
    *key = (struct signing_key){
        .doc.id = kid,
        .ordinal = place.ordinal,
        .alg = (int)alg - 1,
        .sealed = seal(ctx, master, purpose, kid, pem, strlen(pem)),
        .created_at = clock_now_ms(),
        .signs_from = place.signs_from,
    };
    OPENSSL_cleanse(pem, strlen(pem));
    return key->sealed && signing_key_store_insert(ctx, keys->store, key) ? key : NULL;
}

static struct signing_key *generate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                    struct place place)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *evp = jwt_key_generate(ctx, alg);
    return evp ? put(ctx, keys, evp, alg, place) : NULL;
}

struct signing_key *signing_key_generate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                         int64_t signs_from)
{
    struct list list;
    struct place place = { .signs_from = signs_from };
    return look(ctx, keys, &list, &place.ordinal) ? generate(ctx, keys, alg, place) : NULL;
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

static struct signing_key *import(struct ctx *ctx, const struct signing_keys *keys, const char *file,
                                  struct place place)
{
    char *pem = arena_alloc(&ctx->arena, PEM_MAX);
    size_t size = 0;
    if (!read_file(ctx, file, pem, &size))
        return NULL;
    enum jwt_alg alg;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *evp = jwt_key_read(ctx, pem, size, &alg);
    OPENSSL_cleanse(pem, size);
    return evp ? put(ctx, keys, evp, alg, place) : NULL;
}

static bool has_alg(const struct list *list, enum jwt_alg alg)
{
    const struct signing_key *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (items[i].alg == (int)alg - 1)
            return true;
    return false;
}

static struct signing_key *add(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, const char *file,
                               int64_t ordinal, bool first)
{
    int64_t now = clock_now_ms();
    if (!first)
        return generate(ctx, keys, alg, (struct place){ ordinal, now + PUBLISHED_BEFORE_MS });
    return file && *file ? import(ctx, keys, file, (struct place){ ordinal, now })
                         : generate(ctx, keys, alg, (struct place){ ordinal, now });
}

bool signing_keys_ensure(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, const char *file)
{
    for (int tries = 0; tries < ENSURE_TRIES; tries++) {
        struct list list;
        int64_t next;
        if (!look(ctx, keys, &list, &next))
            return false;
        if (has_alg(&list, alg))
            return true;
        const struct signing_key *made = add(ctx, keys, alg, file, next, !list.count);
        if (made)
            log_info(ctx, "a signing key was added", "kid", made->doc.id);
        if (!made && !ctx_forgive(ctx, ERROR_CONFLICT)) /* another replica was first: look again */
            return false;
        if (made && !list.count)
            return true; /* the first may be of another algorithm: the operator chose it */
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "signing keys: too many changes at once");
}
