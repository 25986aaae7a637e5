#include "fuzz_keys.h"

#include "base/cleanup.h"
#include "crypto/digest.h"
#include "fuzz.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <string.h>

enum { PRIME_BYTES = 128 };

DEFINE_CLEANUP(OSSL_PARAM *, OSSL_PARAM_free)
DEFINE_CLEANUP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(BN_CTX *, BN_CTX_free)

static EVP_PKEY *key_of(const char *kind, OSSL_PARAM_BLD *parts)
{
    _cleanup_(OSSL_PARAM_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts);
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *key = NULL;
    must_hold(EVP_PKEY_fromdata_init(maker) == 1 && EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, params) == 1,
              "a key can be made of its numbers");
    return key;
}

/* The first prime from a number that the word stands for; of 1,024 bits, the two highest set. */
static BIGNUM *prime_of(const char *word, BN_CTX *numbers)
{
    unsigned char bytes[PRIME_BYTES];
    for (unsigned char i = 0; i < PRIME_BYTES / SHA256_SIZE; i++)
        hmac_sha256(word, strlen(word), &i, 1, bytes + (size_t)i * SHA256_SIZE);
    bytes[0] |= 0xc0;
    bytes[PRIME_BYTES - 1] |= 1;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    while (BN_check_prime(number, numbers, NULL) != 1)
        BN_add_word(number, 2);
    return number;
}

EVP_PKEY *fuzz_rsa_key(void)
{
    _cleanup_(BN_CTX_freep) BN_CTX *numbers = BN_CTX_new();
    BN_CTX_start(numbers);
    BIGNUM *p = prime_of("p", numbers), *q = prime_of("q", numbers);
    BIGNUM *n = BN_CTX_get(numbers), *e = BN_CTX_get(numbers), *d = BN_CTX_get(numbers), *phi = BN_CTX_get(numbers);
    BN_set_word(e, 65537);
    BN_mul(n, p, q, numbers);
    BN_sub_word(p, 1);
    BN_sub_word(q, 1);
    BN_mul(phi, p, q, numbers);
    must_hold(BN_mod_inverse(d, e, phi, numbers) != NULL, "these primes make a key");
    _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_E, e);
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_D, d);
    EVP_PKEY *key = key_of("RSA", parts);
    BN_free(p);
    BN_free(q);
    BN_CTX_end(numbers);
    return key;
}

EVP_PKEY *fuzz_ec_key(unsigned number)
{
    unsigned char bytes[65];
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *secret = BN_new();
    BN_set_word(secret, 0x10001 + number);
    EC_POINT_mul(group, point, secret, NULL, NULL, NULL);
    size_t size = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof bytes, NULL);
    _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY, bytes, size);
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_PRIV_KEY, secret);
    EVP_PKEY *key = key_of("EC", parts);
    BN_free(secret);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}
