#include "crypto/jwt_fixture.h"

#include "crypto/libjwt.h"

#include <pthread.h>

TestSuite(jwt, .init = setup, .fini = teardown);

static bool verify(const char *token)
{
    struct jwt_claims out;
    ctx.error = NULL;
    return jwt_verify(&ctx, keys, token, &expect, &out, NULL);
}

/* Refused, and for this reason. */
#define REFUSED(token, why)                                                                                            \
    do {                                                                                                               \
        cr_expect_not(verify(token), "%.300s", token);                                                                 \
        cr_assert_not_null(ctx.error, "%.300s", token);                                                                \
        cr_expect_eq(ctx.error->code, ERROR_UNAUTHORIZED);                                                             \
        cr_expect_str_eq(ctx.error->message, why, "%s: %.300s", ctx.error->message, token);                            \
    } while (0)

/* A token of any head and body, signed by the key. */
static char *craft(const struct jwt_key *key, const char *head, const char *body)
{
    char *data = arena_printf(&ctx.arena, "%s.%s", base64url(&ctx.arena, head, strlen(head)),
                              base64url(&ctx.arena, body, strlen(body)));
    return arena_printf(&ctx.arena, "%s.%s", data, jws_sign(&ctx, key, data, strlen(data)));
}

static char *craft_body(const char *body)
{
    return craft(&ec, arena_printf(&ctx.arena, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", ec.kid), body);
}

static char *craft_head(const char *format, const char *kid)
{
    char *body = arena_printf(&ctx.arena, "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"64d1\",\"exp\":%d}",
                              NOW + 900);
    struct buf head = BUF(&ctx.arena);
    const char *at = strstr(format, "KID");
    buf_add(&head, format, at ? (size_t)(at - format) : strlen(format));
    if (at)
        buf_printf(&head, "%s%s", kid, at + 3);
    return craft(&ec, head.data, body);
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

/* The example of OpenID Connect Core 1.0, appendix A.4. */
Test(jwt, the_hash_of_an_access_token)
{
    cr_expect_str_eq(jwt_access_hash(&ctx.arena, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
                     "77QmUPtjPfzWtF2AnpK9RQ");
}

Test(jwt, what_we_issue_libjwt_accepts)
{
    for (int i = 0; i < 2; i++) {
        const struct jwt_key *key = i ? &ec : &rsa;
        /* An ID token: libjwt refuses every other type. */
        const char *token = jwt_sign(&ctx, key, "JWT", &claims), *pem = public_pem(key),
                   *other = public_pem(i ? &rsa : &ec);
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
    static const char *const kids[] = { "../../../../dev/null", "/etc/passwd", "' OR 1=1 --",
                                        "http://evil/key",      "|ls",         "" };
    char long_kid[300];
    memset(long_kid, 'k', sizeof long_kid - 1);
    long_kid[sizeof long_kid - 1] = 0;
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++)
        REFUSED(craft_head(form, kids[i]), "the token's key is not known");
    REFUSED(craft_head(form, long_kid), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", ""), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":[\"KID\"]}", ec.kid), "the token names no key");
    REFUSED(craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"crit\":[\"exp\"]}", ec.kid),
            "the token names no key");
    REFUSED(
        craft_head("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"jwk\":{\"kty\":\"EC\"},\"jku\":\"http://evil/\"}", ec.kid),
        "the token names no key");

    struct jwt_claims out;
    const char *unknown = NULL;
    ctx.error = NULL;
    cr_expect_not(jwt_verify(&ctx, keys, craft_head(form, "next-key"), &expect, &out, &unknown));
    cr_assert_not_null(unknown);
    cr_expect_str_eq(unknown, "next-key");
    cr_expect_not(
        jwt_verify(&ctx, keys, craft_head("{\"alg\":\"none\",\"kid\":\"KID\"}", ec.kid), &expect, &out, &unknown));
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
    REFUSED(arena_printf(&ctx.arena, "%s.%s", token, base64url(&ctx.arena, der, size)),
            "the token's signature is wrong");
    REFUSED(arena_printf(&ctx.arena, "%s.%s", token, base64url(&ctx.arena, zeros, 64)),
            "the token's signature is wrong"); /* CVE-2022-21449 */
    memset(zeros, 0xff, 64);
    REFUSED(arena_printf(&ctx.arena, "%s.%s", token, base64url(&ctx.arena, zeros, 64)),
            "the token's signature is wrong");
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
    static const char *const forms[] = { " %s", "%s ",   "%s\n",      "%s.",    "%s=",
                                         ".%s", "%s.%s", "Bearer %s", "\"%s\"", "%s\x01" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf text = BUF(&ctx.arena);
        for (const char *c = forms[i]; *c; c++)
            if (c[0] == '%')
                buf_text(&text, token), c++;
            else
                buf_char(&text, *c);
        REFUSED(text.data, "this is no token");
    }
    static const char *const others[] = {
        "", ".", "..", "...", "a.b.c", "e30.e30.e30", "e30.e30.", "bnVsbA.bnVsbA.AA", "W10.W10.AAAA", "\xff.\xff.\xff"
    };
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
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200001}", NULL },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200000}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795199999}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":-1}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\"}", "the token has expired" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":\"1795200900\"}",
          "a time in the token is no whole number" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1e300}",
          "a time in the token is no whole number" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"nbf\":1795200006.5}",
          "a time in the token is no whole number" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"nbf\":0,\"iat\":0}", NULL },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":99999999999999999999}", "this is no token" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"nbf\":1795200061}",
          "the token is not valid yet" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"iat\":1795200061}",
          "the token is not valid yet" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900,\"iat\":1795200060,\"nbf\":"
          "1795200060}",
          NULL },
        { "{\"iss\":\"Tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}",
          "the token is of another issuer" },
        { "{\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "the token is of another issuer" },
        { "{\"iss\":[\"tonearm\"],\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}",
          "the token is of another issuer" },
        { "{\"iss\":\"tonearm\\u0000x\",\"aud\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "this is no token" },
        { "{\"iss\":\"tonearm\",\"aud\":\"other\",\"sub\":\"a\",\"exp\":1795200900}",
          "the token is for another audience" },
        { "{\"iss\":\"tonearm\",\"sub\":\"a\",\"exp\":1795200900}", "the token is for another audience" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"exp\":1795200900}", "the token has no subject" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"\",\"exp\":1795200900}", "the token has no subject" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":7,\"exp\":1795200900}", "the token has no subject" },
        { "{\"iss\":\"tonearm\",\"aud\":\"tonearm\",\"sub\":\"a\",\"sub\":\"b\",\"exp\":1795200900}",
          "this is no token" },
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

Test(jwt, an_expired_one_is_taken_where_the_caller_says_so)
{
    struct jwt_expect old = expect;
    struct jwt_claims out;
    old.now = NOW + 86400;
    char *token = jwt_sign(&ctx, &ec, "at+jwt", &claims);
    cr_expect_not(jwt_verify(&ctx, keys, token, &old, &out, NULL));
    old.expired_too = true;
    cr_expect(jwt_verify(&ctx, keys, token, &old, &out, NULL));
    cr_expect_str_eq(out.session, "s-1");
    old.audience = "other";
    cr_expect_not(jwt_verify(&ctx, keys, token, &old, &out, NULL), "the rest is checked");
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
