#include "crypto/jwt_parts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/libjwt.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <pthread.h>
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

TestSuite(jwt, .init = setup, .fini = teardown);

static const struct jwt_expect expect = { .typ = "at+jwt", .issuer = "tonearm", .audience = "tonearm", .now = NOW, .leeway = 5 };

static const struct jwt_claims claims = {
    .issuer = "tonearm", .audience = "tonearm", .subject = "64d1", .session = "s-1", .id = "j-1", .client = "web",
    .issued = NOW, .expires = NOW + 900, .user_version = 7, .name = "Zo\u00eb \"q\"",
};

static bool verify(const char *token)
{
    struct jwt_claims out;
    ctx.error = NULL;
    return jwt_verify(&ctx, keys, token, &expect, &out, NULL);
}

/* Refused, and for this reason. */
#define REFUSED(token, why)                                                            \
    do {                                                                               \
        cr_expect_not(verify(token), "%.300s", token);                                 \
        cr_assert_not_null(ctx.error, "%.300s", token);                                \
        cr_expect_eq(ctx.error->code, ERROR_UNAUTHORIZED);                             \
        cr_expect_str_eq(ctx.error->message, why, "%s: %.300s", ctx.error->message, token); \
    } while (0)

/* A token of any head and body, signed by the key. */
static char *craft(const struct jwt_key *key, const char *head, const char *body)
{
    char *data = arena_printf(&ctx.arena, "%s.%s", base64url(&ctx.arena, head, strlen(head)), base64url(&ctx.arena, body, strlen(body)));
    return arena_printf(&ctx.arena, "%s.%s", data, jws_sign(&ctx, key, data, strlen(data)));
}

static char *craft_body(const char *body)
{
    return craft(&ec, arena_printf(&ctx.arena, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", ec.kid), body);
}

static char *craft_head(const char *format, const char *kid)
{
    char *body = arena_printf(&ctx.arena, "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"64d1\",\"exp\":%d}", NOW + 900);
    struct buf head = BUF(&ctx.arena);
    const char *at = strstr(format, "KID");
    buf_add(&head, format, at ? (size_t)(at - format) : strlen(format));
    if (at)
        buf_printf(&head, "%s%s", kid, at + 3);
    return craft(&ec, head.data, body);
}

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

Test(jwt, what_we_issue_we_accept)
{
    for (int i = 0; i < 2; i++) {
        struct jwt_claims out;
        const char *unknown = "x";
        char *token = jwt_sign(&ctx, i ? &ec : &rsa, "at+jwt", &claims);
        cr_assert_not_null(token);
        cr_assert(jwt_verify(&ctx, keys, token, &expect, &out, &unknown), "%s", ctx.error ? ctx.error->message : "");
        cr_expect_null(unknown);
        cr_expect_str_eq(out.subject, "64d1");
        cr_expect_str_eq(out.session, "s-1");
        cr_expect_str_eq(out.id, "j-1");
        cr_expect_str_eq(out.client, "web");
        cr_expect_str_eq(out.name, "Zo\u00eb \"q\"");
        cr_expect_null(out.email);
        cr_expect_eq(out.expires, NOW + 900);
        cr_expect_eq(out.issued, NOW);
        cr_expect_eq(out.user_version, 7);
    }
}

Test(jwt, what_we_issue_libjwt_accepts)
{
    for (int i = 0; i < 2; i++) {
        const struct jwt_key *key = i ? &ec : &rsa;
        /* An ID token: libjwt refuses every other type. */
        const char *token = jwt_sign(&ctx, key, "JWT", &claims), *pem = public_pem(key), *other = public_pem(i ? &rsa : &ec);
        jwt_t *jwt = NULL;
        cr_assert_eq(jwt_decode(&jwt, token, (const unsigned char *)pem, (int)strlen(pem)), 0);
        cr_expect_eq(jwt_get_alg(jwt), i ? JWT_ALG_ES256 : JWT_ALG_RS256);
        cr_expect_str_eq(jwt_get_header(jwt, "kid"), key->kid);
        cr_expect_str_eq(jwt_get_grant(jwt, "sub"), "64d1");
        jwt_free(jwt);
        cr_expect_neq(jwt_decode(&jwt, token, (const unsigned char *)other, (int)strlen(other)), 0);
    }
}

Test(jwt, what_libjwt_issues_we_accept)
{
    const char *pem = jwt_key_write(&ctx, ec.key);
    jwt_t *jwt = NULL;
    cr_assert_eq(jwt_new(&jwt), 0);
    jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)pem, (int)strlen(pem));
    jwt_add_header(jwt, "kid", ec.kid);
    jwt_add_grants_json(jwt, "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"64d1\",\"exp\":1795200900}");
    char *token = jwt_encode_str(jwt);
    struct jwt_expect id_token = expect;
    struct jwt_claims out;
    id_token.typ = "JWT"; /* libjwt writes no other */
    cr_expect(jwt_verify(&ctx, keys, token, &id_token, &out, NULL), "%s", token);
    free(token);
    jwt_free(jwt);
}

Test(jwt, algorithms_are_the_keys_choice)
{
    static const char wrong[] = "the token's algorithm is not that of its key";
    REFUSED(craft_head("{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", ec.kid), wrong);
    REFUSED(craft_head("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", ec.kid), wrong);
    REFUSED(craft_head("{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", ec.kid), wrong);
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", rsa.kid), wrong);
    REFUSED(craft_head("{\"alg\":\"es256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", ec.kid), wrong);
    cr_expect(verify(craft_head("{\"alg\":\"ES256\",\"typ\":\"application/at+jwt\",\"kid\":\"KID\"}", ec.kid)));
}

/* The confusion that libjwt alone falls for. */
Test(jwt, hmac_with_the_public_key_is_refused)
{
    const char *pem = public_pem(&rsa);
    jwt_t *jwt = NULL;
    cr_assert_eq(jwt_new(&jwt), 0);
    jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)pem, (int)strlen(pem));
    jwt_add_header(jwt, "typ", "at+jwt");
    jwt_add_header(jwt, "kid", rsa.kid);
    jwt_add_grants_json(jwt, "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"64d1\",\"exp\":1795200900}");
    char *token = jwt_encode_str(jwt);
    jwt_free(jwt);
    REFUSED(token, "the token's algorithm is not that of its key");
    free(token);
}

Test(jwt, no_signature_is_no_token)
{
    char *token = jwt_sign(&ctx, &rsa, "at+jwt", &claims), *last = strrchr(token, '.');
    last[1] = 0;
    REFUSED(token, "the token's signature is wrong");
    *last = 0;
    REFUSED(token, "this is no token");
    char *head = arena_printf(&ctx.arena, "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", rsa.kid);
    REFUSED(arena_printf(&ctx.arena, "%s.%s.", base64url(&ctx.arena, head, strlen(head)), strchr(token, '.') + 1),
            "the token's algorithm is not that of its key");
}

Test(jwt, keys_are_found_by_kid_alone)
{
    static const char form[] = "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}";
    static const char *const kids[] = { "../../../../dev/null", "/etc/passwd", "' OR 1=1 --", "http://evil/key", "|ls", "" };
    char long_kid[300];
    memset(long_kid, 'k', sizeof long_kid - 1);
    long_kid[sizeof long_kid - 1] = 0;
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++)
        REFUSED(craft_head(form, kids[i]), "the token's key is not known");
    REFUSED(craft_head(form, long_kid), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", ""), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":[\"KID\"]}", ec.kid), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"crit\":[\"exp\"]}", ec.kid), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"jwk\":{\"kty\":\"EC\"},\"jku\":\"http://evil/\"}", ec.kid), "the token names no key");

    struct jwt_claims out;
    const char *unknown = NULL;
    ctx.error = NULL;
    cr_expect_not(jwt_verify(&ctx, keys, craft_head(form, "next-key"), &expect, &out, &unknown));
    cr_assert_not_null(unknown);
    cr_expect_str_eq(unknown, "next-key");
    cr_expect_not(jwt_verify(&ctx, keys, craft_head("{\"alg\":\"none\",\"kid\":\"KID\"}", ec.kid), &expect, &out, &unknown));
    cr_expect_null(unknown);
}

Test(jwt, a_wrong_signature_is_refused)
{
    static const char wrong[] = "the token's signature is wrong";
    struct jwt_key other = { .kid = ec.kid, .alg = JWT_ES256, .key = jwt_key_generate(&ctx, JWT_ES256) };
    REFUSED(jwt_sign(&ctx, &other, "at+jwt", &claims), wrong);
    EVP_PKEY_free(other.key);
    for (int i = 0; i < 2; i++) {
        char *token = jwt_sign(&ctx, i ? &ec : &rsa, "at+jwt", &claims), *signature = strrchr(token, '.') + 1;
        for (char *c = signature; c < signature + 20; c++) {
            char was = *c;
            *c = was == 'A' ? 'B' : 'A';
            REFUSED(token, wrong);
            *c = was;
        }
        char *body = arena_strdup(&ctx.arena, token), *dot = strchr(body, '.');
        static const char root[] = "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"root\",\"exp\":1795200900}";
        const char *forged = base64url(&ctx.arena, root, strlen(root));
        *dot = 0;
        REFUSED(arena_printf(&ctx.arena, "%s.%s.%s", body, forged, signature), wrong);
        REFUSED(arena_printf(&ctx.arena, "%sAAAA", token), wrong);
        cr_expect(verify(token));
    }
}

Test(jwt, es256_signatures_have_one_form)
{
    char *token = jwt_sign(&ctx, &ec, "at+jwt", &claims), *dot = strrchr(token, '.');
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    unsigned char der[80], zeros[64] = { 0 };
    size_t size = sizeof der;
    EVP_DigestSignInit(signer, NULL, EVP_sha256(), NULL, ec.key);
    EVP_DigestSign(signer, der, &size, (unsigned char *)token, (size_t)(dot - token));
    EVP_MD_CTX_free(signer);
    *dot = 0;
    REFUSED(arena_printf(&ctx.arena, "%s.%s", token, base64url(&ctx.arena, der, size)), "the token's signature is wrong");
    REFUSED(arena_printf(&ctx.arena, "%s.%s", token, base64url(&ctx.arena, zeros, 64)), "the token's signature is wrong"); /* CVE-2022-21449 */
    memset(zeros, 0xff, 64);
    REFUSED(arena_printf(&ctx.arena, "%s.%s", token, base64url(&ctx.arena, zeros, 64)), "the token's signature is wrong");
}

/* r or s with leading zeros: one signature in 128 or so; the conversion must pad. */
Test(jwt, es256_works_for_short_numbers)
{
    for (int i = 0; i < 600; i++) {
        char *signature = jws_sign(&ctx, &ec, "x", 1);
        size_t size;
        unsigned char *raw = base64url_decode(&ctx.arena, signature, &size);
        cr_assert_eq(size, 64);
        cr_assert(jws_verify(&ec, "x", 1, raw, size));
    }
}

Test(jwt, the_spelling_is_strict)
{
    char *token = jwt_sign(&ctx, &ec, "at+jwt", &claims);
    static const char *const forms[] = { " %s", "%s ", "%s\n", "%s.", "%s=", ".%s", "%s.%s", "Bearer %s", "\"%s\"", "%s\x01" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf text = BUF(&ctx.arena);
        for (const char *c = forms[i]; *c; c++)
            if (c[0] == '%')
                buf_text(&text, token), c++;
            else
                buf_char(&text, *c);
        REFUSED(text.data, "this is no token");
    }
    static const char *const others[] = { "", ".", "..", "...", "a.b.c", "e30.e30.e30", "e30.e30.", "bnVsbA.bnVsbA.AA", "W10.W10.AAAA", "\xff.\xff.\xff" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_not(verify(others[i]), "%s", others[i]);
    char *standard = arena_strdup(&ctx.arena, token);
    for (char *c = standard; *c; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    cr_expect_eq(verify(standard), text_equal(standard, token));
}

Test(jwt, size_and_depth_are_bounded)
{
    char *big = arena_alloc(&ctx.arena, 100001);
    memset(big, 'A', 100000);
    REFUSED(big, "the token is too long");
    memset(big, '.', 100000);
    REFUSED(big, "the token is too long");
    struct buf nested = BUF(&ctx.arena);
    for (int i = 0; i < 2500; i++)
        buf_char(&nested, '[');
    cr_expect_not(verify(craft_body(arena_printf(&ctx.arena, "{\"a\":%s}", nested.data))));
    for (int i = 0; i < 2500; i++)
        buf_char(&nested, ']');
    cr_expect_not(verify(craft_body(arena_printf(&ctx.arena, "{\"iss\":\"tonearm\",\"a\":%s}", nested.data))));
    cr_expect_not(verify(craft_head(arena_printf(&ctx.arena, "{\"alg\":%s}", nested.data), "")));
}

Test(jwt, claims_are_checked)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", NULL },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795199996}", NULL }, /* leeway */
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795199995}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":-1}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\"}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":\"1795200900\"}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1e300}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":99999999999999999999}", "this is no token" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"nbf\":1795200006}", "the token is not valid yet" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"iat\":1795200006}", "the token is not valid yet" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"iat\":1795200005,\"nbf\":1795200005}", NULL },
        { "{\"iss\":\"Tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "the token is of another issuer" },
        { "{\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "the token is of another issuer" },
        { "{\"iss\":[\"tonearm\"],\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "the token is of another issuer" },
        { "{\"iss\":\"tonearm\\u0000x\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "this is no token" },
        { "{\"iss\":\"tonearm\",\"aud\":\"other\",\"sub\":\"a\",\"exp\":1795200900}", "the token is for another audience" },
        { "{\"iss\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "the token is for another audience" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"exp\":1795200900}", "the token has no subject" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"\",\"exp\":1795200900}", "the token has no subject" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":7,\"exp\":1795200900}", "the token has no subject" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"sub\":\"b\",\"exp\":1795200900}", "this is no token" },
        { "[\"iss\"]", "this is no token" },
        { "\"text\"", "this is no token" },
        { "", "this is no token" },
        { "{", "this is no token" },
        { "{\"iss\":\"\xff\"}", "this is no token" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *token = craft_body(cases[i].body);
        if (cases[i].why)
            REFUSED(token, cases[i].why);
        else
            cr_expect(verify(token), "%s: %s", cases[i].body, ctx.error ? ctx.error->message : "");
    }
}

Test(jwt, one_type_is_not_the_other)
{
    static const char wrong[] = "the token is of another type";
    REFUSED(jwt_sign(&ctx, &ec, "JWT", &claims), wrong);
    REFUSED(craft_head("{\"alg\":\"ES256\",\"kid\":\"KID\"}", ec.kid), wrong);
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwtx\",\"kid\":\"KID\"}", ec.kid), wrong);
    struct jwt_expect id_token = expect;
    struct jwt_claims out;
    id_token.typ = "JWT";
    cr_expect(jwt_verify(&ctx, keys, jwt_sign(&ctx, &ec, "JWT", &claims), &id_token, &out, NULL));
    cr_expect_not(jwt_verify(&ctx, keys, jwt_sign(&ctx, &ec, "at+jwt", &claims), &id_token, &out, NULL));
}

Test(jwt, key_sets_go_out_and_come_in)
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

#define RFC7638_N                                                                                                        \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst" \
    "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO" \
    "pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

Test(jwt, thumbprints_are_those_of_rfc_7638)
{
    static const char json[] = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"2011-04-29\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}]}";
    struct jwt_keys *set = jwks_parse(&ctx, json, strlen(json));
    cr_assert(jwt_keys_has(set, "2011-04-29"));
    cr_expect_str_eq(jwt_key_kid(&ctx, jwt_keys_at(set, 0)->key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    jwt_keys_unref(set);
}

#define RFC7515_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define RFC7515_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

Test(jwt, signatures_are_those_of_rfc_7515)
{
    static const char json[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a3\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}]}";
    static const char data[] = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    struct jwt_keys *set = jwks_parse(&ctx, json, strlen(json));
    cr_assert(jwt_keys_has(set, "a3"));
    size_t size;
    unsigned char *signature = base64url_decode(
        &ctx.arena, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", &size);
    cr_expect(jws_verify(jwt_keys_at(set, 0), data, strlen(data), signature, size));
    cr_expect_not(jws_verify(jwt_keys_at(set, 0), data, strlen(data) - 1, signature, size));
    jwt_keys_unref(set);
}

Test(jwt, keys_of_other_kinds_are_passed_over)
{
    static const char *const members[] = {
        "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"kid\":\"b\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"RSA\",\"kid\":\"c\",\"alg\":\"PS256\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"d\",\"use\":\"enc\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"e\",\"e\":\"AQAB\",\"n\":\"u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-qKhbwKfBstIs-bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLVkjRo9z-40RQzuVaE8Ak\"}",
        "{\"kty\":\"RSA\",\"kid\":\"f\",\"e\":\"AAAAAAAAAAAAAAAB\",\"n\":\"" RFC7638_N "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"g\",\"e\":\"\",\"n\":\"\"}",
        "{\"kty\":\"RSA\",\"kid\":\"h\",\"e\":7,\"n\":[]}",
        "{\"kty\":\"EC\",\"kid\":\"i\",\"crv\":\"P-384\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}",
        "{\"kty\":\"EC\",\"kid\":\"j\",\"crv\":\"P-256\",\"x\":\"" RFC7515_Y "\",\"y\":\"" RFC7515_X "\"}", /* not on the curve */
        "{\"kty\":\"EC\",\"kid\":\"k\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"kid\":\"\",\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}",
        "{\"kty\":\"EC\",\"kid\":7,\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}",
        "7", "null", "[]", "{}",
    };
    struct buf json = BUF(&ctx.arena);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        buf_printf(&json, "%s%s", i ? "," : "{\"keys\":[", members[i]);
    buf_text(&json, ",{\"kty\":\"EC\",\"kid\":\"good\",\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}]}");
    struct jwt_keys *set = jwks_parse(&ctx, json.data, json.size);
    cr_assert_not_null(set);
    cr_expect_eq(jwt_keys_count(set), 1);
    cr_expect(jwt_keys_has(set, "good"));
    jwt_keys_unref(set);
    static const char *const none[] = { "", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_null(jwks_parse(&ctx, none[i], strlen(none[i])), "%s", none[i]);
}

Test(jwt, sets_hold_32_keys_and_the_first_of_a_name)
{
    struct buf json = BUF(&ctx.arena);
    for (int i = 0; i < 40; i++)
        buf_printf(&json, "%s{\"kty\":\"EC\",\"kid\":\"%d\",\"crv\":\"P-256\",\"x\":\"" RFC7515_X "\",\"y\":\"" RFC7515_Y "\"}", i ? "," : "{\"keys\":[", i / 2 * 2);
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

Test(jwt, keys_are_written_and_read)
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
        cr_expect_null(jwt_sign(&ctx, &(struct jwt_key){ .kid = "x", .alg = alg, .key = back }, "JWT", &claims), "a public key signs nothing");
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

Test(jwt, keys_that_are_none_are_refused)
{
    EVP_PKEY_up_ref(ec.key);
    const char *bad[] = { "", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", pem_of(EVP_RSA_gen(1024), NULL),
                          pem_of(EVP_EC_gen("P-384"), NULL), pem_of(ec.key, EVP_aes_128_cbc()) };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum jwt_alg alg;
        ctx.error = NULL;
        cr_expect_null(jwt_key_read(&ctx, bad[i], strlen(bad[i]), &alg), "%s", bad[i]);
        cr_assert_not_null(ctx.error);
        cr_expect_eq(ctx.error->code, ERROR_INVALID);
    }
}

static void *sign_and_verify(void *self)
{
    struct jwt_keys *shared = self;
    struct ctx own = { 0 };
    bool good = true;
    for (int i = 0; i < 50; i++) {
        struct jwt_claims out;
        const char *token = jwt_sign(&own, i % 2 ? &ec : &rsa, "at+jwt", &claims);
        jwt_keys_ref(shared);
        good = good && token && jwt_verify(&own, shared, token, &expect, &out, NULL);
        jwt_keys_unref(shared);
    }
    ctx_finish(&own);
    return good ? NULL : "bad";
}

Test(jwt, threads_share_keys)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, sign_and_verify, keys);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        cr_expect_null(bad);
    }
}
