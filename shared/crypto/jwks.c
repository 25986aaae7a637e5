/* RFC 7517 and 7518 section 6: keys as JSON. */
#include "crypto/jwt_parts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

enum { NUMBER_MAX = RSA_BITS_MAX / 8 };

DEFINE_CLEANUP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free)
DEFINE_CLEANUP(OSSL_PARAM *, OSSL_PARAM_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)

static EVP_PKEY *key_of(const char *type, OSSL_PARAM_BLD *built)
{
    _cleanup_(OSSL_PARAM_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(built);
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    if (!params || !maker || EVP_PKEY_fromdata_init(maker) != 1 ||
        EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *checker = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (checker && EVP_PKEY_public_check(checker) == 1)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static unsigned char *member(struct arena *arena, const json_t *jwk, const char *name, size_t *size)
{
    const char *text = json_string_value(json_object_get(jwk, name));
    if (!text || strlen(text) > NUMBER_MAX * 4 / 3 + 4)
        return NULL;
    return base64url_decode(arena, text, size);
}

static EVP_PKEY *rsa_of(struct arena *arena, const json_t *jwk)
{
    size_t n_size = 0, e_size = 0;
    unsigned char *n_bytes = member(arena, jwk, "n", &n_size), *e_bytes = member(arena, jwk, "e", &e_size);
    if (!n_bytes || !e_bytes || e_size > 8) /* a long exponent makes verifying slow */
        return NULL;
    _cleanup_(BN_freep) BIGNUM *n = BN_bin2bn(n_bytes, (int)n_size, NULL);
    _cleanup_(BN_freep) BIGNUM *e = BN_bin2bn(e_bytes, (int)e_size, NULL);
    _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *built = OSSL_PARAM_BLD_new();
    if (!built || !OSSL_PARAM_BLD_push_BN(built, OSSL_PKEY_PARAM_RSA_N, n) ||
        !OSSL_PARAM_BLD_push_BN(built, OSSL_PKEY_PARAM_RSA_E, e) || BN_num_bits(n) < RSA_BITS_MIN)
        return NULL;
    return key_of("RSA", built);
}

static EVP_PKEY *ec_of(struct arena *arena, const json_t *jwk)
{
    size_t x_size = 0, y_size = 0;
    unsigned char *x = member(arena, jwk, "x", &x_size), *y = member(arena, jwk, "y", &y_size);
    const char *curve = json_string_value(json_object_get(jwk, "crv"));
    if (!curve || !text_equal(curve, "P-256") || !x || !y || x_size != P256_BYTES || y_size != P256_BYTES)
        return NULL;
    unsigned char point[1 + 2 * P256_BYTES] = { 4 }; /* not compressed */
    memcpy(point + 1, x, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y, P256_BYTES);
    _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *built = OSSL_PARAM_BLD_new();
    if (!built || !OSSL_PARAM_BLD_push_utf8_string(built, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
        !OSSL_PARAM_BLD_push_octet_string(built, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
        return NULL;
    return key_of("EC", built);
}

/* Where the member is there, is it this text? */
static bool agrees(const json_t *jwk, const char *name, const char *wanted)
{
    const json_t *value = json_object_get(jwk, name);
    return !value || (json_is_string(value) && text_equal(json_string_value(value), wanted));
}

static void take_key(struct arena *arena, struct jwt_keys *keys, const json_t *jwk)
{
    const char *kid = json_string_value(json_object_get(jwk, "kid")),
               *type = json_string_value(json_object_get(jwk, "kty"));
    if (!kid || !*kid || strlen(kid) > JWT_KID_MAX || !type || !agrees(jwk, "use", "sig"))
        return;
    EVP_PKEY *key = NULL;
    if (text_equal(type, "RSA") && agrees(jwk, "alg", "RS256"))
        key = rsa_of(arena, jwk);
    else if (text_equal(type, "EC") && agrees(jwk, "alg", "ES256"))
        key = ec_of(arena, jwk);
    ERR_clear_error();
    enum jwt_alg alg = key ? jwt_key_alg(key) : 0;
    if (alg)
        jwt_keys_add(keys, kid, alg, key);
    else
        EVP_PKEY_free(key);
}

struct jwt_keys *jwks_take(struct arena *arena, const json_t *root)
{
    const json_t *list = json_object_get(root, "keys");
    if (!json_is_array(list))
        return NULL;
    struct jwt_keys *keys = jwt_keys_create();
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < 2 * JWT_KEYS_MAX && jwt_keys_count(keys) < JWT_KEYS_MAX; i++)
        take_key(arena, keys, json_array_get(list, i));
    return keys;
}

struct jwt_keys *jwks_parse(struct ctx *ctx, const char *json, size_t size)
{
    _cleanup_(json_decrefp) json_t *root = size <= JWKS_SIZE_MAX ? json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL)
                                                                 : NULL;
    struct jwt_keys *keys = jwks_take(&ctx->arena, root);
    return keys ? keys : ctx_fail(ctx, ERROR_INVALID, "this is no JSON Web Key Set");
}

char *jwks_write(struct ctx *ctx, const struct jwt_keys *keys)
{
    struct buf out = BUF(&ctx->arena);
    buf_text(&out, "{\"keys\":[");
    for (size_t i = 0; i < jwt_keys_count(keys); i++) {
        const struct jwt_key *key = jwt_keys_at(keys, i);
        struct jwk_numbers of = jwk_numbers(&ctx->arena, key->key);
        buf_printf(&out, "%s{\"kid\":", i ? "," : "");
        buf_json(&out, key->kid);
        buf_printf(&out, ",\"use\":\"sig\",\"alg\":\"%s\",", jwt_alg_name(key->alg));
        if (of.n && of.e)
            buf_printf(&out, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", of.n, of.e);
        else if (of.x && of.y)
            buf_printf(&out, "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", of.x, of.y);
        else
            return ctx_fail(ctx, ERROR_INTERNAL, "the key %s has no public numbers", key->kid);
    }
    buf_text(&out, "]}");
    return out.data;
}
