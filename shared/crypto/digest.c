#include "crypto/digest.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "base/text.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <sodium.h>
#include <string.h>

DEFINE_CLEANUP(EVP_KDF *, EVP_KDF_free)
DEFINE_CLEANUP(EVP_KDF_CTX *, EVP_KDF_CTX_free)

void sha256(const void *data, size_t size, unsigned char out[SHA256_SIZE])
{
    if (!EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL))
        abort();
}

char *sha256_hex(struct arena *arena, const void *data, size_t size)
{
    unsigned char digest[SHA256_SIZE];
    sha256(data, size, digest);
    return hex_encode(arena, digest, sizeof digest);
}

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size, unsigned char out[SHA256_SIZE])
{
    if (!HMAC(EVP_sha256(), key, (int)key_size, data, size, out, NULL))
        abort();
}

char *base64url(struct arena *arena, const void *data, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = data;
    char *out = arena_alloc(arena, size / 3 * 4 + 5), *to = out;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        if (left > 1)
            *to++ = letters[bits >> 6 & 63];
        if (left > 2)
            *to++ = letters[bits & 63];
    }
    return out;
}

static int sextet(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : -1;
}

/* One spelling only for each value: no padding, no bits left over that are not 0. */
unsigned char *base64url_decode(struct arena *arena, const char *text, size_t *size)
{
    size_t length = strlen(text);
    unsigned char *out = arena_alloc(arena, length / 4 * 3 + 3);
    uint32_t bits = 0;
    int held = 0;
    *size = 0;
    for (; *text; text++) {
        int six = sextet(*text);
        if (six < 0)
            return NULL;
        bits = (bits << 6 | (uint32_t)six) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[(*size)++] = (unsigned char)(bits >> held);
        }
    }
    return length % 4 == 1 || (bits & ((1U << held) - 1)) ? NULL : out;
}

enum {
    KEY_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    HEAD_SIZE = 1 + NONCE_SIZE, /* the first byte says how it was sealed */
    SEALED_1 = 1
};

/* HKDF-SHA256 (RFC 5869): a key for each purpose. */
static bool derive(const char *secret, const char *purpose, unsigned char key[KEY_SIZE])
{
    _cleanup_(EVP_KDF_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    _cleanup_(EVP_KDF_CTX_freep) EVP_KDF_CTX *hkdf = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (char *)secret, strlen(secret)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)purpose, strlen(purpose)),
        OSSL_PARAM_END,
    };
    return hkdf && sodium_init() >= 0 && EVP_KDF_derive(hkdf, key, KEY_SIZE, params) == 1;
}

char *seal(struct ctx *ctx, const char *secret, const char *purpose, const char *bound, const void *data, size_t size)
{
    unsigned char key[KEY_SIZE];
    if (!*secret || !derive(secret, purpose, key))
        return ctx_fail(ctx, ERROR_INTERNAL, "no key to seal with");
    unsigned char *sealed = arena_alloc(&ctx->arena, HEAD_SIZE + size + TAG_SIZE);
    unsigned long long made = 0;
    sealed[0] = SEALED_1;
    random_bytes(sealed + 1, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + HEAD_SIZE, &made, data, size, (const unsigned char *)bound,
                                               strlen(bound), NULL, sealed + 1, key);
    sodium_memzero(key, sizeof key);
    return base64url(&ctx->arena, sealed, HEAD_SIZE + (size_t)made);
}

char *unseal(struct ctx *ctx, const char *secret, const char *purpose, const char *bound, const char *sealed,
             size_t *size)
{
    size_t raw_size = 0;
    unsigned char key[KEY_SIZE], *raw = base64url_decode(&ctx->arena, sealed, &raw_size);
    if (!*secret || !derive(secret, purpose, key))
        return ctx_fail(ctx, ERROR_INTERNAL, "no key to unseal with");
    unsigned long long opened = 0;
    char *out = arena_alloc(&ctx->arena, raw_size + 1);
    bool right = raw && raw_size >= HEAD_SIZE + TAG_SIZE && raw[0] == SEALED_1 &&
                 crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)out, &opened, NULL, raw + HEAD_SIZE,
                                                            raw_size - HEAD_SIZE, (const unsigned char *)bound,
                                                            strlen(bound), raw + 1, key) == 0;
    sodium_memzero(key, sizeof key);
    if (!right)
        return ctx_fail(ctx, ERROR_INTERNAL, "a sealed value (%s) does not open: another secret, or it was changed",
                        purpose);
    out[opened] = 0;
    *size = (size_t)opened;
    return out;
}
