/* What another issuer signs, and what it tells about itself: with a real provider process. */
#include "base/clock.h"
#include "base/text.h"
#include "issuer/issuer.h"
#include "provider_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { NEVER_MS = 24 * 3600 * 1000 };

static struct provider provider;
static struct ctx ctx;
static struct issuer *issuer;

static struct issuer *make(const char *url)
{
    struct issuer_settings settings = { .url = url, .skew_s = 60, .limit_ms = 30000, .unknown_ms = NEVER_MS };
    struct issuer *made = issuer_create(&ctx, &settings);
    cr_assert(made, "%s", ctx.error ? ctx.error->message : "");
    return made;
}

static void setup(void)
{
    ctx.request_id = "";
    provider_start(&provider, NULL);
    issuer = make(provider.issuer);
}

static void teardown(void)
{
    issuer_destroy(issuer);
    provider_stop(&provider);
    ctx_finish(&ctx);
}

TestSuite(issuer, .init = setup, .fini = teardown, .timeout = 120);

/* NULL: it was taken. Otherwise why not. */
static const char *why_not(const char *token, const struct issuer_expect *expect)
{
    json_t *claims = NULL;
    ctx.error = NULL;
    bool good = issuer_verify(&ctx, issuer, token, expect, &claims);
    cr_assert_eq(good, claims != NULL);
    cr_assert_eq(good, ctx.error == NULL);
    cr_assert(good || ctx.error->code == ERROR_UNAUTHORIZED || ctx.error->code == ERROR_UNAVAILABLE);
    json_decref(claims);
    return good ? NULL : ctx.error->message;
}

static const struct issuer_expect access_token = { .typ = "at+jwt", .audience = "tonearm" };
static const struct issuer_expect id_token = { .typ = "JWT", .audience = "tonearm" };

static const char *refused(const char *wish, const struct issuer_expect *expect)
{
    char *token = provider_token(&provider, wish);
    const char *why = why_not(token, expect);
    free(token);
    return why;
}

#define TAKEN(wish, expect)                                                                                            \
    do {                                                                                                               \
        const char *why_ = refused(wish, &(expect));                                                                   \
        cr_expect_null(why_, "%s: %s", wish, why_);                                                                    \
    } while (0)
#define REFUSED(wish, expect, why)                                                                                     \
    do {                                                                                                               \
        const char *why_ = refused(wish, &(expect));                                                                   \
        cr_expect(why_ &&text_equal(why_, why), "%s: %s", wish, why_ ? why_ : "taken");                                \
    } while (0)

Test(issuer, its_document_is_read)
{
    struct issuer_document document;
    cr_assert(issuer_discover(&ctx, issuer, &document));
    cr_expect_str_eq(document.issuer, provider.issuer);
    cr_expect(text_ends(document.token_endpoint, "/oidc/token"));
    cr_expect(text_ends(document.authorization_endpoint, "/oidc/authorize"));
    cr_expect(document.takes_s256 && document.takes_basic && document.takes_post);
    cr_expect_null(document.end_session_endpoint);
    cr_assert(issuer_discover(&ctx, issuer, &document));
    cr_expect_eq(provider_asked_keys(&provider), 1, "both are kept");
}

Test(issuer, a_wrong_document_is_refused)
{
    static const char *const documents[] = {
        "{\"issuer\":\"https://another.example\"}",
        "{\"issuer\":\"http://127.0.0.1:1/oidc\"}",
        "{\"issuer\":null}",
        "{\"jwks_uri\":null}",
        "{\"jwks_uri\":7}",
        "{\"jwks_uri\":\"file:///etc/passwd\"}",
        "{\"jwks_uri\":\"http://192.0.2.1/keys\"}",
        "{\"jwks_uri\":\"http://127.0.0.1@192.0.2.1/keys\"}",
        "{\"token_endpoint\":\"http://192.0.2.1/token\"}",
        "{\"authorization_endpoint\":\"javascript:alert(1)\"}",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct issuer *other = make(provider.issuer);
        struct issuer_document document;
        provider_do(&provider, "document", documents[i]);
        cr_expect_not(issuer_discover(&ctx, other, &document), "%s", documents[i]);
        cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
        cr_expect_null(strstr(ctx.error->message, "192.0.2.1"), "errors name the issuer only");
        issuer_destroy(other);
    }
}

Test(issuer, an_answer_is_bounded_and_no_redirect_is_followed)
{
    static const char *const answers[] = {
        "\"status\":200,\"size\":300000", "\"status\":302,\"headers\":{\"Location\":\"/oidc/.well-known/jwks.json\"}",
        "\"status\":200,\"body\":\"[]\"", "\"status\":200,\"body\":\"{\"",
        "\"status\":500,\"body\":\"{}\"",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct issuer *other = make(provider.issuer);
        struct issuer_document document;
        char json[256];
        snprintf(json, sizeof json, "{\"path\":\"/oidc/.well-known/openid-configuration\",%s}", answers[i]);
        provider_do(&provider, "answer", json);
        cr_expect_not(issuer_discover(&ctx, other, &document), "%s", answers[i]);
        issuer_destroy(other);
    }
    cr_expect_eq(provider_asked_keys(&provider), 0);
}

Test(issuer, an_answer_may_have_so_much_and_no_more)
{
    for (int large = 0; large < 2; large++) {
        struct issuer *other = make(provider.issuer);
        struct issuer_document document;
        char json[512];
        snprintf(json, sizeof json,
                 "{\"path\":\"/oidc/.well-known/openid-configuration\",\"status\":200,\"size\":%d,"
                 "\"body\":\"{\\\"issuer\\\":\\\"%s\\\",\\\"jwks_uri\\\":\\\"%s/.well-known/jwks.json\\\"}\"}",
                 large ? 262144 : 200000, provider.issuer, provider.issuer);
        provider_do(&provider, "answer", json);
        cr_expect_eq(issuer_discover(&ctx, other, &document), !large);
        issuer_destroy(other);
    }
}

Test(issuer, its_access_tokens_are_taken)
{
    TAKEN("{}", access_token);
    TAKEN("{\"key\":\"curve\"}", access_token);
    TAKEN("{\"header\":{\"typ\":\"application/at+jwt\"}}", access_token);
    TAKEN("{\"claims\":{\"aud\":[\"other\",\"tonearm\"]}}", access_token);
    TAKEN("{\"claims\":{\"iat\":1.5}}", access_token);
    cr_expect_eq(provider_asked_keys(&provider), 1);
}

Test(issuer, claims_are_handed_out)
{
    char *token = provider_token(&provider, "{\"claims\":{\"sub\":\"ann\",\"roles\":[\"EDITOR\"]}}");
    json_t *claims;
    cr_assert(issuer_verify(&ctx, issuer, token, &access_token, &claims));
    cr_expect_str_eq(json_string_value(json_object_get(claims, "sub")), "ann");
    cr_expect_eq(json_array_size(json_object_get(claims, "roles")), 1);
    cr_expect_gt(jwt_claim_time(claims, "exp"), clock_now_ms() / 1000 - 60);
    cr_expect_eq(jwt_claim_time(claims, "sub"), 0);
    json_decref(claims);
    free(token);
}

Test(issuer, algorithms_are_the_keys_choice)
{
    static const char wrong[] = "the token's algorithm is not that of its key";
    REFUSED("{\"key\":\"none\"}", access_token, wrong);
    REFUSED("{\"key\":\"none\",\"header\":{\"alg\":\"None\"}}", access_token, wrong);
    REFUSED("{\"key\":\"public\"}", access_token, wrong); /* HS256 with the public key for its secret */
    REFUSED("{\"header\":{\"alg\":\"ES256\"}}", access_token, wrong);
    REFUSED("{\"header\":{\"alg\":\"PS256\"}}", access_token, wrong);
    REFUSED("{\"header\":{\"alg\":null}}", access_token, wrong);
    REFUSED("{\"key\":\"curve\",\"header\":{\"alg\":\"RS256\"}}", access_token, wrong);
}

Test(issuer, what_another_key_signed_is_refused)
{
    static const char wrong[] = "the token's signature is wrong";
    REFUSED("{\"key\":\"stranger\"}", access_token, wrong);
    REFUSED("{\"key\":\"none\",\"header\":{\"alg\":\"RS256\"}}", access_token, wrong);
    REFUSED("{\"key\":\"public\",\"header\":{\"alg\":\"RS256\"}}", access_token, wrong);
    REFUSED("{\"header\":{\"kid\":null}}", access_token, "the token names no key");
    REFUSED("{\"header\":{\"kid\":7}}", access_token, "the token names no key");
    REFUSED("{\"header\":{\"crit\":[\"exp\"]}}", access_token, "the token names no key");
    REFUSED("{\"header\":{\"kid\":\"../../etc/passwd\"}}", access_token, "the token's key is not known");
    REFUSED("{\"header\":{\"kid\":null,\"jku\":\"http://192.0.2.1/\"}}", access_token, "the token names no key");
}

Test(issuer, one_type_is_not_the_other)
{
    static const char wrong[] = "the token is of another type";
    REFUSED("{\"header\":{\"typ\":\"JWT\"}}", access_token, wrong);
    REFUSED("{\"header\":{\"typ\":null}}", access_token, wrong);
    REFUSED("{\"header\":{\"typ\":7}}", access_token, wrong);
    REFUSED("{}", id_token, wrong);
    TAKEN("{\"header\":{\"typ\":\"JWT\"}}", id_token);
    TAKEN("{\"header\":{\"typ\":null}}", id_token);
}

Test(issuer, claims_are_checked)
{
    int64_t now = clock_now_ms() / 1000;
    static const char audience[] = "the token is for another audience", other[] = "the token is of another issuer",
                      subject[] = "the token has no subject", time[] = "a time in the token is none",
                      expired[] = "the token has expired", early[] = "the token is not valid yet";
    REFUSED("{\"claims\":{\"aud\":\"other\"}}", access_token, audience);
    REFUSED("{\"claims\":{\"aud\":null}}", access_token, audience);
    REFUSED("{\"claims\":{\"aud\":[]}}", access_token, audience);
    REFUSED("{\"claims\":{\"aud\":{\"tonearm\":1}}}", access_token, audience);
    REFUSED("{\"claims\":{\"aud\":[7,\"tonearm\"]}}", access_token, audience);
    REFUSED("{\"claims\":{\"aud\":\"tonearm2\"}}", access_token, audience);
    REFUSED("{\"claims\":{\"iss\":\"https://another.example\"}}", access_token, other);
    REFUSED("{\"claims\":{\"iss\":null}}", access_token, other);
    REFUSED("{\"claims\":{\"sub\":null}}", access_token, subject);
    REFUSED("{\"claims\":{\"sub\":\"\"}}", access_token, subject);
    REFUSED("{\"claims\":{\"sub\":42}}", access_token, subject);
    REFUSED("{\"claims\":{\"exp\":null}}", access_token, expired);
    REFUSED("{\"claims\":{\"exp\":\"never\"}}", access_token, time);
    REFUSED("{\"claims\":{\"exp\":-1}}", access_token, time);
    REFUSED("{\"claims\":{\"exp\":1e300}}", access_token, time);
    REFUSED("{\"claims\":{\"iat\":null}}", access_token, "the token does not tell when it was issued");
    for (int skew = 0; skew < 2; skew++) { /* a clock that is ahead is forgiven for 60 s, an end never */
        struct issuer_expect at = { .typ = "at+jwt", .audience = "tonearm", .now_s = now };
        char wish[128];
        snprintf(wish, sizeof wish, "{\"claims\":{\"iat\":1,\"exp\":%lld}}", (long long)now + 1 - skew);
        if (skew)
            REFUSED(wish, at, expired);
        else
            TAKEN(wish, at);
        snprintf(wish, sizeof wish, "{\"claims\":{\"iat\":1,\"nbf\":%lld}}", (long long)now + 60 + skew);
        if (skew)
            REFUSED(wish, at, early);
        else
            TAKEN(wish, at);
        snprintf(wish, sizeof wish, "{\"claims\":{\"iat\":%lld}}", (long long)now + 60 + skew);
        if (skew)
            REFUSED(wish, at, early);
        else
            TAKEN(wish, at);
    }
}

Test(issuer, an_id_token_is_for_its_client_and_sign_in)
{
    struct issuer_expect once = id_token;
    once.nonce = "n-1";
    static const char another[] = "the token was asked for by another client",
                      *nonce = "the token answers another sign-in";
    REFUSED("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"aud\":[\"tonearm\",\"other\"]}}", id_token, another);
    REFUSED("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"azp\":\"other\"}}", id_token, another);
    TAKEN("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"aud\":[\"tonearm\",\"other\"],\"azp\":\"tonearm\"}}", id_token);
    REFUSED("{\"header\":{\"typ\":\"JWT\"}}", once, nonce);
    REFUSED("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"nonce\":\"n-2\"}}", once, nonce);
    REFUSED("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"nonce\":[\"n-1\"]}}", once, nonce);
    TAKEN("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"nonce\":\"n-1\"}}", once);
}

Test(issuer, what_is_no_token_asks_nobody_twice)
{
    static const char *const texts[] = { "", ".", "..", "a.b.c", "e30.e30.AAAA", "e30.e30", "\xff.\xff.\xff" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_not_null(why_not(texts[i], &access_token), "%s", texts[i]);
    char *big = malloc(100001);
    memset(big, 'A', 100000);
    big[100000] = 0;
    cr_expect_str_eq(why_not(big, &access_token), "the token is too long");
    free(big);
    cr_expect_eq(provider_asked_keys(&provider), 1);
}

Test(issuer, a_rotation_is_followed_at_once_and_forgeries_ask_no_more)
{
    TAKEN("{}", access_token);
    char *before = provider_token(&provider, "{}");
    provider_do(&provider, "rotate", "{}");
    TAKEN("{}", access_token);
    cr_expect_null(why_not(before, &access_token), "its key is told on");
    cr_expect_eq(provider_asked_keys(&provider), 2);
    for (int i = 0; i < 20; i++)
        REFUSED("{\"header\":{\"kid\":\"forged\"}}", access_token, "the token's key is not known");
    cr_expect_eq(provider_asked_keys(&provider), 2, "it was asked in this while");
    free(before);
}

Test(issuer, what_it_tells_no_longer_is_refused)
{
    struct issuer_settings settings = {
        .url = provider.issuer, .limit_ms = 30000, .unknown_ms = NEVER_MS, .keys_age_ms = 1
    };
    char *before = provider_token(&provider, "{}");
    issuer_destroy(issuer);
    issuer = issuer_create(&ctx, &settings);
    cr_assert_null(why_not(before, &access_token));
    provider_do(&provider, "rotate", "{\"forget\":true}");
    TAKEN("{}", access_token);
    cr_expect_str_eq(why_not(before, &access_token), "the token's key is not known");
    free(before);
}

Test(issuer, away_it_is_an_outage_and_known_keys_do)
{
    struct issuer_settings settings = { .url = provider.issuer, .limit_ms = 30000, .keys_age_ms = 1 };
    struct issuer *other = issuer_create(&ctx, &settings);
    char *token = provider_token(&provider, "{}");
    cr_assert_null(why_not(token, &access_token));
    provider_answer(&provider, 503);
    json_t *claims;
    cr_expect_not(issuer_verify(&ctx, other, token, &access_token, &claims), "it has no keys");
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    cr_expect(text_starts(ctx.error->message, "the issuer 127.0.0.1:"), "%s", ctx.error->message);
    cr_expect_null(why_not(token, &access_token), "it has the keys");
    cr_expect_not_null(refused("{\"header\":{\"kid\":\"new\"}}", &access_token));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE, "whether there is such a key is not known");
    issuer_destroy(other);
    free(token);
}

Test(issuer, old_keys_do_while_it_is_away)
{
    struct issuer_settings settings = { .url = provider.issuer, .limit_ms = 30000, .keys_age_ms = 1 };
    issuer_destroy(issuer);
    issuer = issuer_create(&ctx, &settings);
    char *token = provider_token(&provider, "{}");
    cr_assert_null(why_not(token, &access_token));
    provider_stop(&provider);
    for (int i = 0; i < 5; i++)
        cr_expect_null(why_not(token, &access_token));
    free(token);
}

struct asker {
    pthread_t thread;
    const char *token;
    enum error_code code;
    bool good;
};

static void *ask(void *self)
{
    struct asker *asker = self;
    struct ctx own = { .request_id = "" };
    json_t *claims = NULL;
    asker->good = issuer_verify(&own, issuer, asker->token, &access_token, &claims);
    asker->code = asker->good ? 0 : own.error->code;
    json_decref(claims);
    ctx_finish(&own);
    return NULL;
}

/* With nothing known, one asks, one waits, and the others are told at once: none of them asks too. */
Test(issuer, many_at_once_ask_once)
{
    enum { ASKERS = 12 };
    struct asker askers[ASKERS];
    char *token = provider_token(&provider, "{}");
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .token = token };
        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
    }
    int good = 0;
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        cr_expect(askers[i].good || askers[i].code == ERROR_UNAVAILABLE);
        good += askers[i].good;
    }
    cr_expect_geq(good, 1);
    cr_expect_eq(provider_asked_keys(&provider), 1);
    free(token);
}

Test(issuer, a_frozen_one_holds_nobody_longer_than_the_deadline)
{
    char *token = provider_token(&provider, "{}");
    kill(provider.pid, SIGSTOP);
    int64_t began = clock_ms();
    ctx.deadline_ms = began + 300;
    cr_expect_not_null(why_not(token, &access_token));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    cr_expect_lt(clock_ms() - began, 30000);
    kill(provider.pid, SIGCONT);
    free(token);
}
