#include "key/signing_key.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "key/signing_key_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PEM_MAX = 64 * 1024, TRIES = 8 };

const char *const signing_algs[] = { "RS256", "ES256", NULL };

static const char purpose[] = "signing-key";

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(FILE *, fclose)

const char *const key_states[] = { "next", "active", "retired", "gone", NULL };

static bool is_revoked(const struct signing_key *key, int64_t now)
{
    return key->until && key->until <= now;
}

/* When a newer one took over; 0: none has. */
static int64_t relieved_at(const struct signing_key *keys, size_t count, size_t at, int64_t now)
{
    int64_t since = 0;
    for (size_t i = at + 1; i < count; i++)
        if (!is_revoked(&keys[i], now) && keys[i].signs_from <= now && (!since || keys[i].signs_from < since))
            since = keys[i].signs_from;
    return since;
}

enum key_state signing_key_state(const struct signing_key *keys, size_t count, size_t at, int64_t now)
{
    if (is_revoked(&keys[at], now))
        return KEY_GONE;
    if (keys[at].signs_from > now)
        return KEY_NEXT;
    int64_t since = relieved_at(keys, count, at, now);
    if (!since)
        return KEY_ACTIVE;
    return since + TOKEN_LIFE_MAX_MS + CLOCKS_APART_MS > now ? KEY_RETIRED : KEY_GONE;
}

bool signing_key_list_all(struct ctx *ctx, const struct signing_keys *keys, struct list *out)
{
    struct signing_key *items;
    size_t count;
    if (!signing_key_store_all(ctx, keys->store, &items, &count))
        return false;
    struct signing_key *turned = arena_array(&ctx->arena, struct signing_key, count + 1);
    for (size_t i = 0; i < count; i++)
        turned[i] = items[count - 1 - i];
    *out = (struct list){ .items = turned, .count = count };
    return true;
}

/* The keys in force, oldest first, and the ordinal that the next one has if it is added to just these. */
static bool look(struct ctx *ctx, const struct signing_keys *keys, struct list *out, int64_t *next)
{
    struct list all;
    if (!signing_key_list_all(ctx, keys, &all))
        return false;
    const struct signing_key *items = all.items;
    struct signing_key *kept = arena_array(&ctx->arena, struct signing_key, all.count + 1);
    int64_t now = clock_now_ms();
    *out = (struct list){ .items = kept };
    *next = all.count ? items[all.count - 1].ordinal + 1 : 1;
    for (size_t i = 0; i < all.count; i++)
        if (signing_key_state(items, all.count, i, now) != KEY_GONE)
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
    const char *kid = jwt_key_kid(ctx, evp);
    char *pem = jwt_key_write(ctx, evp);
    if (!kid || !pem)
        return NULL;
    struct signing_key *key = arena_new(&ctx->arena, struct signing_key);
    *key = (struct signing_key){
        .doc.id = kid,
        .ordinal = place.ordinal,
        .alg = (int)alg - 1,
        .sealed = vault_seal(ctx, &keys->vault, purpose, kid, pem, strlen(pem)),
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
    size_t size;
    char *pem = vault_unseal(ctx, &keys->vault, purpose, key->doc.id, key->sealed, &size);
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
    for (int tries = 0; tries < TRIES; tries++) {
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

/* One that waits to sign; NULL: none. */
static const struct signing_key *waiting(const struct list *list)
{
    const struct signing_key *items = list->items;
    int64_t now = clock_now_ms();
    for (size_t i = 0; i < list->count; i++)
        if (signing_key_state(items, list->count, i, now) == KEY_NEXT)
            return &items[i];
    return NULL;
}

struct signing_key *signing_keys_rotate(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg,
                                        int64_t after_ms)
{
    struct list list;
    struct place place = { 0 };
    if (!look(ctx, keys, &list, &place.ordinal))
        return NULL;
    const struct signing_key *next = waiting(&list);
    if (next)
        return ctx_fail(ctx, ERROR_CONFLICT, "%s signs from %s on: no second one before that", next->doc.id,
                        clock_format(&ctx->arena, next->signs_from));
    /* The oldest would fall out of what is read. */
    if (list.count >= SIGNING_KEYS_MAX / 2)
        return ctx_fail(ctx, ERROR_CONFLICT, "too many keys still have tokens out");
    place.signs_from = clock_now_ms() + after_ms;
    return generate(ctx, keys, alg, place);
}

static size_t index_of(const struct list *list, const char *kid)
{
    const struct signing_key *items = list->items;
    size_t at = 0;
    while (at < list->count && !text_equal(items[at].doc.id, kid))
        at++;
    return at;
}

/* The deed is the revocation, not what it takes. */
static bool generate_quietly(struct ctx *ctx, const struct signing_keys *keys, enum jwt_alg alg, struct place place)
{
    const void *deed = ctx->deed;
    ctx->deed = NULL;
    const struct signing_key *made = generate(ctx, keys, alg, place);
    ctx->deed = deed;
    return made;
}

static bool revoke_once(struct ctx *ctx, const struct signing_keys *keys, const char *kid)
{
    struct list list;
    int64_t next, now = clock_now_ms();
    if (!look(ctx, keys, &list, &next))
        return false;
    struct signing_key *items = list.items;
    size_t at = index_of(&list, kid);
    if (at == list.count)
        return ctx_fail(ctx, ERROR_NOT_FOUND, "there is no key %s in force", kid);
    bool signs = signing_key_state(items, list.count, at, now) == KEY_ACTIVE;
    if (signs && !generate_quietly(ctx, keys, (enum jwt_alg)(items[at].alg + 1), (struct place){ next, now }))
        return false;
    items[at].until = items[at].announce = clock_now_ms();
    return signing_key_store_revoke(ctx, keys->store, &items[at]);
}

bool signing_keys_revoke(struct ctx *ctx, const struct signing_keys *keys, const char *kid)
{
    for (int tries = 0; tries < TRIES; tries++)
        if (revoke_once(ctx, keys, kid))
            return true;
        else if (!ctx_forgive(ctx, ERROR_CONFLICT)) /* another was first: look again */
            return false;
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "signing keys: too many changes at once");
}

/* A revoked one stays for as long as the feed is asked about it: until everybody's tokens of it would be out. */
static bool may_be_forgotten(const struct signing_key *keys, size_t count, size_t at, int64_t now)
{
    if (signing_key_state(keys, count, at, now) != KEY_GONE)
        return false;
    return !keys[at].until || (!keys[at].announce && keys[at].until + TOKEN_LIFE_MAX_MS + CLOCKS_APART_MS <= now);
}

bool signing_keys_sweep(struct ctx *ctx, void *self)
{
    const struct signing_keys *keys = self;
    struct list list;
    if (!signing_key_list_all(ctx, keys, &list))
        return false;
    const struct signing_key *items = list.items;
    int64_t now = clock_now_ms();
    for (size_t i = 0; i < list.count; i++)
        if (may_be_forgotten(items, list.count, i, now) && !signing_key_store_forget(ctx, keys->store, &items[i]))
            return false;
    return true;
}
