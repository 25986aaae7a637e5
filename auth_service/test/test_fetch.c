/* Asking addresses that the operator has set: which ones, whom they are believed to be, and what is sent. */
#include "issuer/fetch.h"
#include "base/text.h"
#include "issuer/issuer.h"
#include "provider_fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

static struct ctx ctx;
static struct provider provider;
static char dir[64];

static const char *in_dir(const char *name)
{
    return arena_printf(&ctx.arena, "%s/%s", dir, name);
}

/* A certificate of its own for this machine. */
static void make_certificate(void)
{
    strcpy(dir, "/tmp/tonearm-fetch-XXXXXX");
    cr_assert(mkdtemp(dir));
    const char *command = arena_printf(
        &ctx.arena,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=idp -addext "
        "subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null",
        in_dir("key.pem"), in_dir("cert.pem"));
    cr_assert_eq(system(command), 0);
}

static void setup(void)
{
    ctx.request_id = "";
    make_certificate();
    const char *arguments[] = { "-cert", in_dir("cert.pem"), "-key", in_dir("key.pem"), NULL };
    provider_start(&provider, arguments);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about, (void)kind, (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    provider_stop(&provider);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    ctx_finish(&ctx);
}

TestSuite(fetch, .init = setup, .fini = teardown, .timeout = 120);

Test(fetch, certificates_are_verified)
{
    struct fetched answer;
    struct fetch what = { .whom = "it",
                          .url = arena_printf(&ctx.arena, "%s/.well-known/openid-configuration", provider.issuer),
                          .limit_ms = 30000 };
    cr_expect_not(fetch(&ctx, &what, &answer), "nobody vouches for it");
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    cr_expect_str_eq(ctx.error->message, "it does not answer");
    ctx.error = NULL;
    what.ca_file = in_dir("cert.pem");
    cr_assert(fetch(&ctx, &what, &answer), "%s", ctx.error ? ctx.error->cause->message : "");
    cr_expect_eq(answer.status, 200);
    cr_expect(strstr(answer.body, provider.issuer));
    what.url = arena_printf(&ctx.arena, "https://localhost%s/.well-known/openid-configuration",
                            strrchr(provider.issuer, ':'));
    cr_expect_not(fetch(&ctx, &what, &answer), "the certificate is for another name");
}

Test(fetch, an_issuer_over_tls_tells_no_address_without)
{
    struct issuer_settings settings = { .url = provider.issuer, .ca_file = in_dir("cert.pem"), .limit_ms = 30000 };
    struct issuer_document document;
    struct issuer *good = issuer_create(&ctx, &settings), *other = issuer_create(&ctx, &settings);
    cr_expect(issuer_discover(&ctx, good, &document));
    provider_do(&provider, "document", "{\"token_endpoint\":\"http://127.0.0.1:1/token\"}");
    cr_expect_not(issuer_discover(&ctx, other, &document));
    issuer_destroy(good);
    issuer_destroy(other);
}

/* The token endpoint takes the client's name and secret as HTTP Basic, and says what it lacks. */
Test(fetch, forms_and_credentials_are_sent)
{
    static const struct pair form[] = { { "grant_type", "authorization_code" }, { "code", "a b&c=d+\xc3\xa9" }, { 0 } };
    struct fetched answer;
    struct fetch what = { .whom = "it",
                          .url = arena_printf(&ctx.arena, "%s/token", provider.issuer),
                          .ca_file = in_dir("cert.pem"),
                          .form = form,
                          .limit_ms = 30000 };
    cr_assert(fetch(&ctx, &what, &answer));
    cr_expect_eq(answer.status, 400);
    cr_expect(strstr(answer.body, "client_id"), "%s", answer.body);
    what.user = "tonearm";
    what.password = "wrong";
    cr_assert(fetch(&ctx, &what, &answer));
    cr_expect_eq(answer.status, 401);
    cr_expect(strstr(answer.body, "invalid_client"), "%s", answer.body);
    what.password = "mockoidc-secret";
    cr_assert(fetch(&ctx, &what, &answer));
    cr_expect_eq(answer.status, 401);
    json_t *body = json_loads(answer.body, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(body, "error_description")), "Invalid code: a b&c=d+\xc3\xa9");
    json_decref(body);
}

Test(addresses, only_https_or_this_machine)
{
    static const char *const good[] = { "https://idp.example",  "https://idp.example:8443/realms/a?b=c",
                                        "http://127.0.0.1:1/x", "http://localhost/x",
                                        "http://[::1]:8080/",   "https://192.0.2.1/" };
    static const char *const bad[] = {
        "http://idp.example",
        "http://127.0.0.1.example/",
        "http://127.0.0.1@idp.example/",
        "https://user@idp.example",
        "https://user:p@idp.example",
        "https://idp.example/#a",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "idp.example",
        "",
        "https://",
        "javascript:1",
        "http://[::2]/",
        "http://localhost.example/",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(fetch_may(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_not(fetch_may(bad[i]), "%s", bad[i]);
        cr_expect_null(issuer_create(&ctx, &(struct issuer_settings){ .url = bad[i] }));
    }
    ctx_finish(&ctx);
}
