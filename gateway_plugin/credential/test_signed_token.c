#include "credential/signed_token_fixture.h"

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(token, .fini = teardown);

static const char secret[] = "a secret of the two";

static bool verifies(const char *text, const struct token_key *key)
{
    struct token token;
    cr_assert_null(token_read(&arena, text, &token));
    bool good = token_verify(&token, key);
    token_finish(&token);
    return good;
}

/* Which of the token's characters is another now. */
static char *spoilt(const char *text, size_t at)
{
    char *out = arena_strdup(&arena, text);
    out[at] = out[at] == 'A' ? 'B' : 'A';
    return out;
}

static const char *head_of(int alg)
{
    return arena_printf(&arena, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", token_alg_names[alg]);
}

Test(token, verifies_every_algorithm_and_nothing_spoilt)
{
    for (int alg = TOKEN_HS256; alg <= TOKEN_EDDSA; alg++) {
        const char *reason;
        struct token_key key = { .alg = alg, .secret = secret, .secret_size = strlen(secret) };
        EVP_PKEY *pair = token_is_symmetric(alg) ? NULL : token_key_made(alg);
        if (pair)
            key.public_key = token_key_read(token_key_pem(&arena, pair), alg, &reason);
        char *text = token_made(&arena, head_of(alg), "{\"iss\":\"a\"}", alg, pair, secret);
        cr_expect(verifies(text, &key), "%s", token_alg_names[alg]);
        const char *signature = strrchr(text, '.') + 1;
        cr_expect_not(verifies(spoilt(text, (size_t)(signature - text)), &key), "%s", token_alg_names[alg]);
        cr_expect_not(verifies(token_made(&arena, head_of(alg), "{}", alg, pair, secret),
                               &(struct token_key){ .alg = alg == TOKEN_HS512 ? TOKEN_HS256 : TOKEN_HS512,
                                                    .secret = secret,
                                                    .secret_size = 5 }),
                      "%s", token_alg_names[alg]);
        char *short_one = arena_strdup(&arena, text);
        *(strrchr(short_one, '.') + 1) = 0;
        cr_expect_not(verifies(short_one, &key), "%s", token_alg_names[alg]);
        EVP_PKEY_free(key.public_key);
        EVP_PKEY_free(pair);
    }
}

/* The public key as the secret: what many libraries took. */
Test(token, never_takes_a_public_key_for_a_secret)
{
    const char *reason;
    EVP_PKEY *pair = token_key_made(TOKEN_RS256);
    char *pem = token_key_pem(&arena, pair);
    struct token_key key = { .alg = TOKEN_RS256, .public_key = token_key_read(pem, TOKEN_RS256, &reason) };
    cr_expect_not(verifies(token_made(&arena, head_of(TOKEN_HS256), "{}", TOKEN_HS256, NULL, pem), &key));
    EVP_PKEY_free(key.public_key);
    EVP_PKEY_free(pair);
}

/* What it says of its algorithm must be what it is signed by. */
Test(token, never_takes_a_token_that_names_another_algorithm)
{
    struct token_key key = { .alg = TOKEN_HS256, .secret = secret, .secret_size = strlen(secret) };
    cr_expect(verifies(token_made(&arena, head_of(TOKEN_HS256), "{}", TOKEN_HS256, NULL, secret), &key));
    cr_expect_not(verifies(token_made(&arena, head_of(TOKEN_HS384), "{}", TOKEN_HS256, NULL, secret), &key));
}

/* RFC 7515, A.1 and A.3: signed by somebody else's code. */
Test(token, verifies_the_examples_of_the_rfc)
{
    static const char hs256[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
        "mNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char es256[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
        "nVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
                              "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
                              "-----END PUBLIC KEY-----\n";
    struct token_key key = { .alg = TOKEN_HS256 };
    key.secret = token_base64(
        &arena,
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==", &key.secret_size);
    cr_expect(verifies(hs256, &key));
    const char *reason;
    struct token_key other = { .alg = TOKEN_ES256, .public_key = token_key_read(pem, TOKEN_ES256, &reason) };
    cr_assert_not_null(other.public_key);
    cr_expect(verifies(es256, &other));
    EVP_PKEY_free(other.public_key);
}

Test(token, says_what_is_no_token)
{
    static const struct {
        const char *head, *claims, *fault;
    } cases[] = {
        { "{\"alg\":\"none\"}", "{}", "invalid alg" },
        { "{\"alg\":5}", "{}", "invalid alg" },
        { "{}", "{}", "invalid alg" },
        { "[]", "{}", "invalid JSON" },
        { "{\"alg\":\"HS256\"", "{}", "invalid JSON" },
        { "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{}", "invalid JSON" },
        { "{\"alg\":\"HS256\",\"crit\":[\"b64\"]}", "{}", "invalid header" },
        { "{\"alg\":\"HS256\"}", "5", "invalid claims" },
        { "{\"alg\":\"HS256\"}", "{\"a\":1,\"a\":2}", "invalid claims" },
    };
    struct token token;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(
            token_read(&arena, token_made(&arena, cases[i].head, cases[i].claims, TOKEN_HS256, NULL, secret), &token),
            cases[i].fault, "%zu", i);
    cr_expect_str_eq(token_read(&arena, "", &token), "invalid JSON");
    cr_expect_str_eq(token_read(&arena, "a.b", &token), "invalid JSON");
    cr_expect_str_eq(token_read(&arena, "a.b.c", &token), "invalid JSON");
    char *text = token_made(&arena, "{\"alg\":\"HS256\"}", "{}", TOKEN_HS256, NULL, secret);
    cr_expect_str_eq(token_read(&arena, arena_printf(&arena, "%s=", text), &token), "invalid signature");
    char *large = arena_alloc(&arena, TOKEN_SIZE_MAX + 2);
    memset(large, '.', TOKEN_SIZE_MAX + 1);
    cr_expect_str_eq(token_read(&arena, large, &token), "invalid JSON");
}

Test(token, takes_keys_that_fit_their_algorithm_only)
{
    static const struct {
        int made, asked;
        const char *reason;
    } cases[] = {
        { TOKEN_ES256, TOKEN_ES384, "is no key on the curve of its algorithm" },
        { TOKEN_RS256, TOKEN_ES256, "is no key on the curve of its algorithm" },
        { TOKEN_ES256, TOKEN_RS256, "is no RSA key of 2,048 to 8,192 bits" },
        { TOKEN_ES256, TOKEN_PS512, "is no RSA key of 2,048 to 8,192 bits" },
        { TOKEN_ES256, TOKEN_EDDSA, "is no Ed25519 or Ed448 key" },
    };
    const char *reason;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EVP_PKEY *pair = token_key_made(cases[i].made);
        cr_expect_null(token_key_read(token_key_pem(&arena, pair), cases[i].asked, &reason));
        cr_expect_str_eq(reason, cases[i].reason, "%zu", i);
        EVP_PKEY_free(pair);
    }
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    cr_expect_null(token_key_read(token_key_pem(&arena, weak), TOKEN_RS256, &reason));
    EVP_PKEY_free(weak);
    cr_expect_null(token_key_read("nonsense", TOKEN_RS256, &reason));
    cr_expect_str_eq(reason, "is no public key in PEM");
}
