/* RFC 7518: RS256 is as OpenSSL makes it; ES256 is r and s, 32 bytes each, which OpenSSL wants in DER. */
#include "crypto/jwt_parts.h"

#include "base/cleanup.h"
#include "crypto/digest.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <string.h>

enum {
    ES256_SIZE = 2 * P256_BYTES,
    DER_MAX = 80, /* of an ES256 signature: 72 */
    SIGNATURE_MAX = RSA_BITS_MAX / 8
};

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)

const char *jwt_alg_name(enum jwt_alg alg)
{
    return alg == JWT_RS256 ? "RS256" : "ES256";
}

static bool jose_of_der(const unsigned char *der, size_t size, unsigned char out[ES256_SIZE])
{
    _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
    return pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, P256_BYTES) == P256_BYTES &&
           BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + P256_BYTES, P256_BYTES) == P256_BYTES;
}

/* The size; 0 where it does not work out. */
static size_t der_of_jose(const unsigned char *jose, unsigned char out[DER_MAX])
{
    _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(jose, P256_BYTES, NULL), *s = BN_bin2bn(jose + P256_BYTES, P256_BYTES, NULL);
    if (!pair || !r || !s || !ECDSA_SIG_set0(pair, r, s))
        abort(); /* out of memory */
    int size = i2d_ECDSA_SIG(pair, NULL);
    return size > 0 && size <= DER_MAX ? (size_t)i2d_ECDSA_SIG(pair, &out) : 0;
}

EVP_MD_CTX *jwt_signer(EVP_PKEY *key)
{
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    if (signer && EVP_DigestSignInit(signer, NULL, EVP_sha256(), NULL, key) == 1)
        return signer;
    EVP_MD_CTX_free(signer);
    ERR_clear_error();
    return NULL;
}

/* Of its own: any thread may sign with the key. */
static EVP_MD_CTX *begin(const struct jwt_key *key)
{
    if (!key->signer)
        return jwt_signer(key->key);
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    if (signer && EVP_MD_CTX_copy_ex(signer, key->signer) == 1)
        return signer;
    EVP_MD_CTX_free(signer);
    return NULL;
}

char *jws_sign(struct ctx *ctx, const struct jwt_key *key, const char *data, size_t size)
{
    unsigned char signature[SIGNATURE_MAX], jose[ES256_SIZE];
    size_t signature_size = sizeof signature;
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *signer = begin(key);
    bool made = signer && EVP_DigestSign(signer, signature, &signature_size, (const unsigned char *)data, size) == 1 &&
                (key->alg == JWT_RS256 || jose_of_der(signature, signature_size, jose));
    if (!made) {
        ERR_clear_error();
        return ctx_fail(ctx, ERROR_INTERNAL, "the key %s does not sign", key->kid);
    }
    return key->alg == JWT_RS256 ? base64url(&ctx->arena, signature, signature_size)
                                 : base64url(&ctx->arena, jose, sizeof jose);
}

bool jws_verify(const struct jwt_key *key, const char *data, size_t size, const unsigned char *signature,
                size_t signature_size)
{
    unsigned char der[DER_MAX];
    if (key->alg == JWT_ES256) {
        signature_size = signature_size == ES256_SIZE ? der_of_jose(signature, der) : 0;
        signature = der;
    }
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    bool right = signature_size && verifier &&
                 EVP_DigestVerifyInit(verifier, NULL, EVP_sha256(), NULL, key->key) == 1 &&
                 EVP_DigestVerify(verifier, signature, signature_size, (const unsigned char *)data, size) == 1;
    ERR_clear_error();
    return right;
}
