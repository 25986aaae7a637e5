/* Tokens, keys and sets of keys: what the tests of both share. */
#pragma once
#include "crypto/jwt_parts.h"

#include "base/buf.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <string.h>

enum { NOW = 1795200000 };

static struct ctx ctx;
static struct jwt_key rsa, ec;
static struct jwt_keys *keys;

static struct jwt_key make_key(enum jwt_alg alg)
{
    EVP_PKEY *key = jwt_key_generate(&ctx, alg);
    cr_assert_not_null(key);
    EVP_PKEY_up_ref(key);
    struct jwt_key made = { .kid = jwt_key_kid(&ctx, key), .alg = alg, .key = key };
    jwt_keys_add(keys, made.kid, alg, key);
    return made;
}

static void setup(void)
{
    keys = jwt_keys_create();
    rsa = make_key(JWT_RS256);
    ec = make_key(JWT_ES256);
}

static void teardown(void)
{
    EVP_PKEY_free(rsa.key);
    EVP_PKEY_free(ec.key);
    jwt_keys_unref(keys);
    ctx_finish(&ctx);
}

static const struct jwt_expect expect = {
    .typ = "at+jwt", .issuer = "tonearm", .audience = "tonearm", .now = NOW, .leeway = JWT_LEEWAY_S
};

static const struct jwt_claims claims = {
    .issuer = "tonearm",
    .audience = "tonearm",
    .subject = "64d1",
    .session = "s-1",
    .id = "j-1",
    .client = "web",
    .issued = NOW,
    .expires = NOW + 900,
    .user_version = 7,
    .name = "Zo\u00eb \"q\"",
};

static char *public_pem(const struct jwt_key *key)
{
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(out, key->key);
    char *data;
    long size = BIO_get_mem_data(out, &data);
    char *pem = arena_memdup(&ctx.arena, data, (size_t)size);
    BIO_free(out);
    return pem;
}
