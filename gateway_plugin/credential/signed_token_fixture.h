#pragma once
/* Keys and signed tokens of every algorithm, for tests. */
#include "credential/signed_token.h"

#include "base/buf.h"
#include "crypto/digest.h"

#include <criterion/criterion.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

static inline EVP_PKEY *token_key_made(int alg)
{
    static const char *const curves[] = { "P-256", "P-384", "P-521" };
    EVP_PKEY *key = alg == TOKEN_EDDSA                         ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                    : alg >= TOKEN_ES256 && alg <= TOKEN_ES512 ? EVP_EC_gen(curves[alg % 3])
                                                               : EVP_RSA_gen(2048);
    cr_assert_not_null(key);
    return key;
}

static inline char *token_key_pem(struct arena *arena, EVP_PKEY *key)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *data;
    PEM_write_bio_PUBKEY(out, key);
    long size = BIO_get_mem_data(out, &data);
    char *pem = arena_memdup(arena, data, (size_t)size);
    BIO_free(out);
    return pem;
}

static inline size_t token_raw_pair(unsigned char *signature, size_t size, int alg)
{
    static const int halves[] = { 32, 48, 66 };
    const unsigned char *at = signature;
    int half = halves[alg % 3];
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)size);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + half, half);
    ECDSA_SIG_free(pair);
    return 2 * (size_t)half;
}

static inline size_t token_signature(const char *data, int alg, EVP_PKEY *key, const char *secret,
                                     unsigned char out[1024])
{
    const EVP_MD *digests[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };
    size_t size = 1024;
    unsigned mac_size;
    if (token_is_symmetric(alg)) {
        HMAC(digests[alg % 3], secret, (int)strlen(secret), (const unsigned char *)data, strlen(data), out, &mac_size);
        return mac_size;
    }
    EVP_PKEY_CTX *padding = NULL;
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    cr_assert_eq(EVP_DigestSignInit(signer, &padding, alg == TOKEN_EDDSA ? NULL : digests[alg % 3], NULL, key), 1);
    if (alg >= TOKEN_PS256 && alg <= TOKEN_PS512) {
        EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST);
    }
    cr_assert_eq(EVP_DigestSign(signer, out, &size, (const unsigned char *)data, strlen(data)), 1);
    EVP_MD_CTX_free(signer);
    return alg >= TOKEN_ES256 && alg <= TOKEN_ES512 ? token_raw_pair(out, size, alg) : size;
}

/* `head` and `claims` are JSON as they stand. */
static inline char *token_made(struct arena *arena, const char *head, const char *claims, int alg, EVP_PKEY *key,
                               const char *secret)
{
    unsigned char signature[1024];
    char *data = arena_printf(arena, "%s.%s", base64url(arena, head, strlen(head)),
                              base64url(arena, claims, strlen(claims)));
    size_t size = token_signature(data, alg, key, secret, signature);
    return arena_printf(arena, "%s.%s", data, base64url(arena, signature, size));
}
