#include "crypto/jwt_parts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <string.h>

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(BIGNUM *, BN_free)

struct jwt_keys {
    atomic_uint references;
    size_t count;
    struct jwt_key keys[JWT_KEYS_MAX];
};

struct jwt_keys *jwt_keys_create(void)
{
    struct jwt_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        abort();
    keys->references = 1;
    return keys;
}

void jwt_keys_add(struct jwt_keys *keys, const char *kid, enum jwt_alg alg, EVP_PKEY *key)
{
    if (keys->count == JWT_KEYS_MAX || jwt_keys_find(keys, kid)) {
        EVP_PKEY_free(key);
        return;
    }
    struct jwt_key *added = &keys->keys[keys->count++];
    *added = (struct jwt_key){ .kid = strdup(kid), .alg = alg, .key = key };
    if (!added->kid)
        abort();
}

struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys)
{
    atomic_fetch_add(&keys->references, 1);
    return keys;
}

void jwt_keys_unref(struct jwt_keys *keys)
{
    if (!keys || atomic_fetch_sub(&keys->references, 1) > 1)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        EVP_PKEY_free(keys->keys[i].key);
        free((char *)keys->keys[i].kid);
    }
    free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}

const struct jwt_key *jwt_keys_at(const struct jwt_keys *keys, size_t i)
{
    return &keys->keys[i];
}

const struct jwt_key *jwt_keys_find(const struct jwt_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (text_equal(keys->keys[i].kid, kid))
            return &keys->keys[i];
    return NULL;
}

bool jwt_keys_has(const struct jwt_keys *keys, const char *kid)
{
    return jwt_keys_find(keys, kid) != NULL;
}

enum jwt_alg jwt_key_alg(EVP_PKEY *key)
{
    char group[32] = "";
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA"))
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? JWT_RS256 : 0;
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) &&
        text_equal(group, "prime256v1"))
        return JWT_ES256;
    return 0;
}

EVP_PKEY *jwt_key_generate(struct ctx *ctx, enum jwt_alg alg)
{
    EVP_PKEY *key = alg == JWT_RS256 ? EVP_RSA_gen(RSA_BITS_MIN) : EVP_EC_gen("P-256");
    return key ? key : ctx_fail(ctx, ERROR_INTERNAL, "no key could be generated");
}

/* Asked by OpenSSL for an encrypted key; its own would read from the terminal. */
static int no_passphrase(char *out, int size, int writing, void *self)
{
    (void)out, (void)size, (void)writing, (void)self;
    return -1;
}

static EVP_PKEY *read_pem(const char *pem, size_t size)
{
    _cleanup_(BIO_free_allp) BIO *in = BIO_new_mem_buf(pem, (int)size);
    if (!in)
        abort();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    if (!key && BIO_reset(in) == 1)
        key = PEM_read_bio_PUBKEY(in, NULL, no_passphrase, NULL);
    ERR_clear_error();
    return key;
}

EVP_PKEY *jwt_key_read(struct ctx *ctx, const char *pem, size_t size, enum jwt_alg *alg)
{
    EVP_PKEY *key = size <= PEM_SIZE_MAX ? read_pem(pem, size) : NULL;
    if (!key)
        return ctx_fail(ctx, ERROR_INVALID, "the key is not an unencrypted PEM");
    *alg = jwt_key_alg(key);
    if (*alg)
        return key;
    EVP_PKEY_free(key);
    return ctx_fail(ctx, ERROR_INVALID, "the key is neither RSA of 2,048 bits or more nor on P-256");
}

char *jwt_key_write(struct ctx *ctx, EVP_PKEY *key)
{
    _cleanup_(BIO_free_allp) BIO *out = BIO_new(BIO_s_secmem());
    if (!out || !PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL))
        return ctx_fail(ctx, ERROR_INTERNAL, "the key cannot be written");
    char *data;
    long size = BIO_get_mem_data(out, &data);
    return arena_memdup(&ctx->arena, data, (size_t)size);
}

/* A number of the key as base64url of its bytes, big-endian; at least `size` of them. */
static const char *number(struct arena *arena, EVP_PKEY *key, const char *name, int size)
{
    BIGNUM *read = NULL;
    if (!EVP_PKEY_get_bn_param(key, name, &read))
        return NULL;
    _cleanup_(BN_freep) BIGNUM *value = read;
    int bytes = BN_num_bytes(value) > size ? BN_num_bytes(value) : size;
    unsigned char *raw = arena_alloc(arena, (size_t)bytes);
    return BN_bn2binpad(value, raw, bytes) == bytes ? base64url(arena, raw, (size_t)bytes) : NULL;
}

struct jwk_numbers jwk_numbers(struct arena *arena, EVP_PKEY *key)
{
    if (jwt_key_alg(key) == JWT_RS256)
        return (struct jwk_numbers){ .e = number(arena, key, OSSL_PKEY_PARAM_RSA_E, 0),
                                     .n = number(arena, key, OSSL_PKEY_PARAM_RSA_N, 0) };
    return (struct jwk_numbers){ .x = number(arena, key, OSSL_PKEY_PARAM_EC_PUB_X, P256_BYTES),
                                 .y = number(arena, key, OSSL_PKEY_PARAM_EC_PUB_Y, P256_BYTES) };
}

char *jwt_key_kid(struct ctx *ctx, EVP_PKEY *key)
{
    struct jwk_numbers of = jwk_numbers(&ctx->arena, key);
    const char *text = NULL;
    if (of.e && of.n)
        text = arena_printf(&ctx->arena, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", of.e, of.n);
    else if (of.x && of.y)
        text = arena_printf(&ctx->arena, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", of.x, of.y);
    else
        return ctx_fail(ctx, ERROR_INTERNAL, "the key has no public numbers");
    unsigned char digest[SHA256_SIZE];
    sha256(text, strlen(text), digest);
    return base64url(&ctx->arena, digest, sizeof digest);
}
