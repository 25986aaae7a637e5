#include "credential/signed_token.h"

#include "base/catalogue.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, DER_MAX = 160 };

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)
DEFINE_CLEANUP(BIO *, BIO_free_all)

const char *const token_alg_names[] = { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256",
                                        "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA", NULL };

bool token_is_symmetric(int alg)
{
    return alg <= TOKEN_HS512;
}

static bool is_one_of(int alg, enum token_alg first)
{
    return alg >= (int)first && alg <= (int)first + 2;
}

/* 256, 384, 512, in this order within each family. */
static const EVP_MD *digest_of(int alg)
{
    const EVP_MD *digests[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };
    return alg == TOKEN_EDDSA ? NULL : digests[alg % 3];
}

unsigned char *token_base64(struct arena *arena, const char *text, size_t *size)
{
    char *url = arena_strdup(arena, text), *end = url + strlen(url);
    while (end > url && end[-1] == '=')
        *--end = 0;
    for (char *c = url; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return base64url_decode(arena, url, size);
}

/* Reading */

static json_t *read_part(struct arena *arena, const char *part, size_t size)
{
    size_t decoded;
    unsigned char *text = base64url_decode(arena, arena_memdup(arena, part, size), &decoded);
    json_t *json = text ? json_loadb((char *)text, decoded, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static bool is_alg(const char *name)
{
    for (const char *const *known = token_alg_names; name && *known; known++)
        if (strcmp(name, *known) == 0)
            return true;
    return false;
}

static const char *look(const struct token *token)
{
    if (!token->head)
        return MESSAGE("invalid JSON");
    if (!is_alg(json_string_value(json_object_get(token->head, "alg"))))
        return MESSAGE("invalid alg");
    if (json_object_get(token->head, "crit"))
        return MESSAGE("invalid header");
    if (!token->claims)
        return MESSAGE("invalid claims");
    return token->signature ? NULL : MESSAGE("invalid signature");
}

const char *token_read(struct arena *arena, const char *text, struct token *out)
{
    const char *dot = strchr(text, '.'), *last = dot ? strchr(dot + 1, '.') : NULL;
    *out = (struct token){ 0 };
    if (!last || strlen(text) > TOKEN_SIZE_MAX)
        return MESSAGE("invalid JSON");
    out->data = text;
    out->data_size = (size_t)(last - text);
    out->head = read_part(arena, text, (size_t)(dot - text));
    out->claims = read_part(arena, dot + 1, (size_t)(last - dot - 1));
    out->signature = base64url_decode(arena, last + 1, &out->signature_size);
    const char *fault = look(out);
    if (fault)
        token_finish(out);
    return fault;
}

void token_finish(struct token *token)
{
    json_decref(token->head);
    json_decref(token->claims);
    token->head = token->claims = NULL;
}

/* Signatures */

static bool verify_mac(const struct token *token, const struct token_key *key)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!HMAC(digest_of(key->alg), key->secret, (int)key->secret_size, (const unsigned char *)token->data,
              token->data_size, mac, &size))
        return false;
    return token->signature_size == size && CRYPTO_memcmp(mac, token->signature, size) == 0;
}

/* RFC 7518, 3.4: r and s, each as long as the field; OpenSSL wants them in DER. 0: they are not. */
static size_t der_of(const struct token *token, int alg, unsigned char der[DER_MAX])
{
    static const int halves[] = { 32, 48, 66 };
    int half = halves[alg % 3];
    if (token->signature_size != 2 * (size_t)half)
        return 0;
    _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(token->signature, half, NULL), *s = BN_bin2bn(token->signature + half, half, NULL);
    if (!pair || !r || !s || !ECDSA_SIG_set0(pair, r, s))
        abort(); /* out of memory */
    int size = i2d_ECDSA_SIG(pair, NULL);
    return size > 0 && size <= DER_MAX ? (size_t)i2d_ECDSA_SIG(pair, &der) : 0;
}

static bool verify_public(const struct token *token, const struct token_key *key)
{
    unsigned char der[DER_MAX];
    const unsigned char *signature = token->signature;
    size_t size = token->signature_size;
    if (is_one_of(key->alg, TOKEN_ES256)) {
        size = der_of(token, key->alg, der);
        signature = der;
    }
    EVP_PKEY_CTX *padding = NULL;
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    bool right = size && verifier &&
                 EVP_DigestVerifyInit(verifier, &padding, digest_of(key->alg), NULL, key->public_key) == 1 &&
                 (!is_one_of(key->alg, TOKEN_PS256) ||
                  EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1) &&
                 EVP_DigestVerify(verifier, signature, size, (const unsigned char *)token->data, token->data_size) == 1;
    ERR_clear_error();
    return right;
}

bool token_verify(const struct token *token, const struct token_key *key)
{
    if (!text_equal(json_string_value(json_object_get(token->head, "alg")), token_alg_names[key->alg]))
        return false;
    return token_is_symmetric(key->alg) ? verify_mac(token, key) : verify_public(token, key);
}

/* Keys */

/* NULL: it fits. */
static const char *misfit(EVP_PKEY *key, int alg)
{
    static const char *const curves[] = { "prime256v1", "secp384r1", "secp521r1" };
    char group[32] = "";
    int bits = EVP_PKEY_get_bits(key);
    if (alg == TOKEN_EDDSA)
        return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL : "is no Ed25519 or Ed448 key";
    if (is_one_of(alg, TOKEN_ES256))
        return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) &&
                       strcmp(group, curves[alg % 3]) == 0
                   ? NULL
                   : "is no key on the curve of its algorithm";
    return EVP_PKEY_is_a(key, "RSA") && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX
               ? NULL
               : "is no RSA key of 2,048 to 8,192 bits";
}

EVP_PKEY *token_key_read(const char *pem, int alg, const char **reason)
{
    _cleanup_(BIO_free_allp) BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    ERR_clear_error();
    *reason = key ? misfit(key, alg) : "is no public key in PEM";
    if (!*reason)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}
