#include "crypto/jwt_fixture.h"

TestSuite(jwt_key, .init = setup, .fini = teardown);

Test(jwt_key, key_sets_go_out_and_come_in)
{
    char *json = jwks_write(&ctx, keys);
    cr_assert_not_null(json);
    cr_expect_null(strstr(json, "\"d\""), "public parts only");
    struct jwt_keys *back = jwks_parse(&ctx, json, strlen(json));
    cr_assert_not_null(back);
    cr_expect(jwt_keys_has(back, rsa.kid) && jwt_keys_has(back, ec.kid) && !jwt_keys_has(back, "x"));
    cr_expect_str_eq(jwks_write(&ctx, back), json);
    struct jwt_claims out;
    cr_expect(jwt_verify(&ctx, back, jwt_sign(&ctx, &rsa, "at+jwt", &claims), &expect, &out, NULL));
    cr_expect(jwt_verify(&ctx, back, jwt_sign(&ctx, &ec, "at+jwt", &claims), &expect, &out, NULL));
    jwt_keys_unref(jwt_keys_ref(back));
    jwt_keys_unref(back);
}

#define RFC7638_N                                                                                                      \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"                          \
    "BJECPebWKRXjBZCiFV4n3oknjhMst"                                                                                    \
    "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"                                                      \
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO"                                                \
    "pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

Test(jwt_key, thumbprints_are_those_of_rfc_7638)
{
    static const char json[] =
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"2011-04-29\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N
        "\"}]}";
    struct jwt_keys *set = jwks_parse(&ctx, json, strlen(json));
    cr_assert(jwt_keys_has(set, "2011-04-29"));
    cr_expect_str_eq(jwt_key_kid(&ctx, jwt_keys_at(set, 0)->key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    jwt_keys_unref(set);
}

#define RFC7515_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define RFC7515_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

Test(jwt_key, signatures_are_those_of_rfc_7515)
{
    static const char json[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a3\",\"x\":\"" RFC7515_X
                               "\",\"y\":\"" RFC7515_Y "\"}]}";
    static const char data[] =
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    struct jwt_keys *set = jwks_parse(&ctx, json, strlen(json));
    cr_assert(jwt_keys_has(set, "a3"));
    size_t size;
    unsigned char *signature = base64url_decode(
        &ctx.arena, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", &size);
    cr_expect(jws_verify(jwt_keys_at(set, 0), data, strlen(data), signature, size));
    cr_expect_not(jws_verify(jwt_keys_at(set, 0), data, strlen(data) - 1, signature, size));
    jwt_keys_unref(set);
}

Test(jwt_key, keys_of_other_kinds_are_passed_over)
{
    static const char *const members[] = {
        "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"kid\":\"b\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"RSA\",\"kid\":\"c\",\"alg\":\"PS256\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"d\",\"use\":\"enc\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"e\",\"e\":\"AQAB\",\"n\":"
        "\"u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-qKhbwKfBstIs-"
        "bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLVkjRo9z-40RQzuVaE8Ak\"}",
        "{\"kty\":\"RSA\",\"kid\":\"f\",\"e\":\"AAAAAAAAAAAAAAAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"g\",\"e\":\"\",\"n\":\"\"}",
        "{\"kty\":\"RSA\",\"kid\":\"h\",\"e\":7,\"n\":[]}",
        "{\"kty\":\"EC\",\"kid\":\"i\",\"crv\":\"P-384\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}",
        "{\"kty\":\"EC\",\"kid\":\"j\",\"crv\":\"P-256\",\"x\":\"" RFC7515_Y "\",\"y\":\"" RFC7515_X
        "\"}", /* not on the curve */
        "{\"kty\":\"EC\",\"kid\":\"k\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"kid\":\"\",\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}",
        "{\"kty\":\"EC\",\"kid\":7,\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}",
        "7",
        "null",
        "[]",
        "{}",
    };
    struct buf json = BUF(&ctx.arena);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        buf_printf(&json, "%s%s", i ? "," : "{\"keys\":[", members[i]);
    buf_text(&json,
             ",{\"kty\":\"EC\",\"kid\":\"good\",\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}]}");
    struct jwt_keys *set = jwks_parse(&ctx, json.data, json.size);
    cr_assert_not_null(set);
    cr_expect_eq(jwt_keys_count(set), 1);
    cr_expect(jwt_keys_has(set, "good"));
    jwt_keys_unref(set);
    static const char *const none[] = {
        "", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}"
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_null(jwks_parse(&ctx, none[i], strlen(none[i])), "%s", none[i]);
}

Test(jwt_key, sets_hold_32_keys_and_the_first_of_a_name)
{
    struct buf json = BUF(&ctx.arena);
    for (int i = 0; i < 40; i++)
        buf_printf(&json,
                   "%s{\"kty\":\"EC\",\"kid\":\"%d\",\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y
                   "\"}",
                   i ? "," : "{\"keys\":[", i / 2 * 2);
    buf_text(&json, "]}");
    struct jwt_keys *set = jwks_parse(&ctx, json.data, json.size);
    cr_expect_eq(jwt_keys_count(set), 20);
    for (int i = 0; i < 40; i++) {
        EVP_PKEY_up_ref(ec.key);
        jwt_keys_add(set, arena_printf(&ctx.arena, "more-%d", i), JWT_ES256, ec.key);
    }
    cr_expect_eq(jwt_keys_count(set), 32);
    cr_expect(jwt_keys_has(set, "more-11") && !jwt_keys_has(set, "more-12"));
    jwt_keys_unref(set);
}

Test(jwt_key, keys_are_written_and_read)
{
    for (int i = 0; i < 2; i++) {
        const struct jwt_key *key = i ? &ec : &rsa;
        enum jwt_alg alg = 0;
        const char *pem = jwt_key_write(&ctx, key->key), *public = public_pem(key);
        cr_assert(text_starts(pem, "-----BEGIN PRIVATE KEY-----\n"));
        EVP_PKEY *back = jwt_key_read(&ctx, pem, strlen(pem), &alg);
        cr_assert_not_null(back);
        cr_expect_eq(alg, key->alg);
        cr_expect_str_eq(jwt_key_kid(&ctx, back), key->kid);
        EVP_PKEY_free(back);
        back = jwt_key_read(&ctx, public, strlen(public), &alg);
        cr_assert_not_null(back);
        cr_expect_str_eq(jwt_key_kid(&ctx, back), key->kid);
        cr_expect_null(jwt_sign(&ctx, &(struct jwt_key){ .kid = "x", .alg = alg, .key = back }, "JWT", &claims),
                       "a public key signs nothing");
        EVP_PKEY_free(back);
    }
}

static char *pem_of(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(out, key, cipher, "pw", cipher ? 2 : 0, NULL, NULL);
    char *data;
    long size = BIO_get_mem_data(out, &data);
    char *pem = arena_memdup(&ctx.arena, data, (size_t)size);
    BIO_free(out);
    EVP_PKEY_free(key);
    return pem;
}

Test(jwt_key, keys_that_are_none_are_refused)
{
    EVP_PKEY_up_ref(ec.key);
    const char *bad[] = { "",
                          "x",
                          "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                          pem_of(EVP_RSA_gen(1024), NULL),
                          pem_of(EVP_EC_gen("P-384"), NULL),
                          pem_of(ec.key, EVP_aes_128_cbc()) };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum jwt_alg alg;
        ctx.error = NULL;
        cr_expect_null(jwt_key_read(&ctx, bad[i], strlen(bad[i]), &alg), "%s", bad[i]);
        cr_assert_not_null(ctx.error);
        cr_expect_eq(ctx.error->code, ERROR_INVALID);
    }
}
