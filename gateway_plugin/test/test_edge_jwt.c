/* Tokens at the door: of the file's consumers, and of an auth that the test plays over NATS. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/random.h"
#include "contract/subjects.h"
#include "crypto/jwt.h"
#include "edge_auth.h"
#include "edge_backend.h"
#include "edge_fixture.h"
#include "credential/signed_token_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RS, ES, PAIRS };
enum {
    KEY_MS = 5000
}; /* a second is promised, and measured by tests/faults: here the edge may be a slow build of it */

static struct edge_auth auth;
static struct edge_process edge;
static struct backend *one;
static struct ctx ctx;
static EVP_PKEY *pairs[PAIRS];               /* of the file's consumers */
static struct jwt_key signing, rotated;      /* auth's */
static _Atomic(struct jwt_keys *) published; /* read while the test publishes others */
static struct jwt_keys *earlier;             /* what was published before; one is enough */
static atomic_int asked;

static struct response *answer_jwks(struct request *req)
{
    atomic_fetch_add(&asked, 1);
    const char *json = jwks_write(&req->ctx, published);
    return respond_raw(req, 200, NULL, json, strlen(json));
}

static const struct subject subjects[] = { { .name = SUBJECT_JWKS, .handler = answer_jwks }, { 0 } };

static struct jwt_key make_key(enum jwt_alg alg)
{
    EVP_PKEY *key = jwt_key_generate(&ctx, alg);
    return (struct jwt_key){ .kid = jwt_key_kid(&ctx, key), .alg = alg, .key = key };
}

/* From now on auth tells of these, and of no others. `also` may be NULL. */
static void publish(const struct jwt_key *key, const struct jwt_key *also)
{
    struct jwt_keys *keys = jwt_keys_create();
    for (const struct jwt_key *each = key; each; each = each == key ? also : NULL) {
        EVP_PKEY_up_ref(each->key);
        jwt_keys_add(keys, each->kid, each->alg, each->key);
    }
    earlier = atomic_exchange(&published, keys);
}

/* As a line of YAML in quotes. */
static const char *quoted_pem(EVP_PKEY *key)
{
    struct buf out = BUF(&ctx.arena);
    for (const char *c = token_key_pem(&ctx.arena, key); *c; c++)
        *c == '\n' ? buf_text(&out, "\\n") : buf_char(&out, *c);
    return out.data;
}

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: plain, paths: [/plain], plugins: [{name: jwt}]}\n"
    "      - {name: times, paths: [/times], plugins: [{name: jwt, config: {claims_to_verify: [exp, nbf], "
    "maximum_expiration: 100, realm: here}}]}\n"
    "      - {name: elsewhere, paths: [/elsewhere], plugins: [{name: jwt, config: {header_names: [X-Token], "
    "uri_param_names: [t], cookie_names: [session]}}]}\n"
    "      - {name: kid, paths: [/kid], plugins: [{name: jwt, config: {key_claim_name: kid, secret_is_base64: true}}]}\n"
    "      - {name: open, paths: [/open], plugins: [{name: jwt, config: {anonymous: anybody, run_on_preflight: false}}]}\n"
    "      - {name: either, paths: [/either], plugins: [{name: jwt, config: {anonymous: anybody}}, {name: key-auth, "
    "config: {anonymous: anybody}}, {name: acl, config: {allow: [staff]}}]}\n"
    "      - {name: both, paths: [/both], plugins: [{name: jwt}, {name: key-auth}]}\n"
    "      - {name: auth, paths: [/auth], plugins: [{name: jwt, config: {jwks: auth}}]}\n"
    "      - {name: issuer, paths: [/issuer], plugins: [{name: jwt, config: {jwks: auth, jwks_issuer: another}}]}\n"
    "      - {name: audience, paths: [/audience], plugins: [{name: jwt, config: {jwks: auth, jwks_audience: another}}]}\n"
    "consumers:\n"
    "  - username: ann\n"
    "    acls: [{group: staff}]\n"
    "    keyauth_credentials: [{key: key-of-ann}]\n"
    "    plugins: [{name: request-size-limiting, config: {allowed_payload_size: 1, size_unit: bytes}}]\n"
    "    jwt_secrets:\n"
    "      - {key: hs, secret: a secret}\n"
    "      - {key: hs512, secret: YSBzZWNyZXQ=, algorithm: HS512}\n"
    "      - {key: rs, algorithm: RS256, rsa_public_key: \"%s\"}\n"
    "  - {username: anybody}\n"
    "  - {username: linked, custom_id: user-2}\n"
    "jwt_secrets:\n"
    "  - {consumer: linked, key: es, algorithm: ES256, rsa_public_key: \"%s\"}\n";

static void setup(void)
{
    one = backend_start("one");
    signing = make_key(JWT_ES256);
    rotated = make_key(JWT_RS256);
    publish(&signing, NULL);
    edge_auth_start(&auth, &ctx, subjects);
    pairs[RS] = token_key_made(TOKEN_RS256);
    pairs[ES] = token_key_made(TOKEN_ES256);
    const char *const environment[] = { edge_auth_url(&auth), NULL };
    edge_process_start(&edge, environment, config, backend_port(one), quoted_pem(pairs[RS]), quoted_pem(pairs[ES]));
    cr_assert(eventually(5000, edge_process_ready, &edge), "%s", edge_process_log(&edge));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    edge_auth_stop(&auth);
    backend_stop(one);
    for (int i = 0; i < PAIRS; i++)
        EVP_PKEY_free(pairs[i]);
    EVP_PKEY_free(signing.key);
    EVP_PKEY_free(rotated.key);
    jwt_keys_unref(atomic_load(&published));
    if (earlier)
        jwt_keys_unref(earlier);
    ctx_finish(&ctx);
}

TestSuite(edge_jwt, .timeout = 60);

static const char *bearer(const char *token)
{
    return arena_printf(&ctx.arena, "Authorization: Bearer %s\r\n", token);
}

static char *hs_token(const char *claims)
{
    return token_made(&ctx.arena, "{\"alg\":\"HS256\"}", claims, TOKEN_HS256, NULL, "a secret");
}

static void expect(const char *path, const char *headers, int status, const char *text)
{
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), status, "%s %s: %s", path, headers, answer);
    cr_expect(has(answer, text), "%s: no \"%s\" in %s", path, text, answer);
    free(answer);
}

EDGE_TEST(edge_jwt, lets_in_whose_token_is_signed_by_a_consumers_key)
{
    char *rs = token_made(&ctx.arena, "{\"alg\":\"RS256\"}", "{\"iss\":\"rs\"}", TOKEN_RS256, pairs[RS], NULL);
    char *es = token_made(&ctx.arena, "{\"alg\":\"ES256\"}", "{\"iss\":\"es\"}", TOKEN_ES256, pairs[ES], NULL);
    expect("/plain/", bearer(hs_token("{\"iss\":\"hs\"}")), 200, "\r\nx-consumer-username: ann\r\n");
    expect("/plain/", bearer(hs_token("{\"iss\":\"hs\"}")), 200, "\r\nx-credential-identifier: hs\r\n");
    expect("/plain/", bearer(rs), 200, "\r\nx-consumer-username: ann\r\n");
    expect("/plain/", bearer(es), 200, "\r\nx-consumer-custom-id: user-2\r\n");
    /* It is the consumer's from here on: so are the plugins. */
    char *answer = ask(edge.port, arena_printf(&ctx.arena,
                                               "POST /plain/ HTTP/1.1\r\nHost: x\r\n%sConnection: "
                                               "close\r\nContent-Length: 2\r\n\r\nab",
                                               bearer(rs)));
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    free(answer);
}

EDGE_TEST(edge_jwt, refuses_in_kongs_words)
{
    static const char *const wrong = "\r\nwww-authenticate: Bearer error=\"invalid_token\"\r\n";
    char *rs_as_hs = token_made(&ctx.arena, "{\"alg\":\"HS256\"}", "{\"iss\":\"rs\"}", TOKEN_HS256, NULL,
                                token_key_pem(&ctx.arena, pairs[RS]));
    expect("/plain/", "", 401, "\r\nwww-authenticate: Bearer\r\n");
    expect("/plain/", "", 401, "\"message\":\"Unauthorized\"");
    expect("/plain/?jwt=", "", 401, "\r\nwww-authenticate: Bearer\r\n");
    expect("/plain/?jwt=", bearer(hs_token("{\"iss\":\"hs\"}")), 200, "\r\nx-consumer-username: ann\r\n");
    expect("/plain/", "Authorization: Basic eDp5\r\n", 401, "\r\nwww-authenticate: Bearer\r\n");
    expect("/plain/", bearer("nonsense"), 401, "Bad token; invalid JSON");
    expect("/plain/", bearer("nonsense"), 401, wrong);
    expect("/plain/", bearer(hs_token("{}")), 401, "No mandatory 'iss' in claims");
    expect("/plain/", bearer(hs_token("{\"iss\":\"\"}")), 401, "Invalid 'iss' in claims");
    expect("/plain/", bearer(hs_token("{\"iss\":\"eve\"}")), 401, "No credentials found for given 'iss'");
    expect("/plain/", bearer(rs_as_hs), 401, "Invalid algorithm");
    expect("/plain/", bearer(token_made(&ctx.arena, "{\"alg\":\"HS256\"}", "{\"iss\":\"hs\"}", TOKEN_HS256, NULL, "x")),
           401, "Invalid signature");
    expect("/plain/", bearer(token_made(&ctx.arena, "{\"alg\":\"none\"}", "{\"iss\":\"hs\"}", TOKEN_HS256, NULL, "x")),
           401, "Bad token; invalid alg");
    expect(arena_printf(&ctx.arena, "/plain/?jwt=%s", hs_token("{\"iss\":\"hs\",\"a\":1}")),
           bearer(hs_token("{\"iss\":\"hs\"}")), 401, "Multiple tokens provided");
    expect(arena_printf(&ctx.arena, "/plain/?jwt=%s", hs_token("{\"iss\":\"hs\"}")),
           bearer(hs_token("{\"iss\":\"hs\"}")), 200, "x-consumer-username: ann");
}

EDGE_TEST(edge_jwt, looks_at_the_times_that_it_is_told_to)
{
    long long now = clock_now_ms() / 1000;
    static const struct {
        const char *name;
        long long exp, nbf;
        const char *fault; /* NULL: none */
    } cases[] = {
        { "good", 60, -60, NULL },
        { "late", -1, -60, "exp: token expired" },
        { "early", 60, 30, "nbf: token not valid yet" },
        { "long", 200, -60, "exp: exceeds maximum allowed expiration" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *claims = arena_printf(&ctx.arena, "{\"iss\":\"hs\",\"exp\":%lld,\"nbf\":%lld.5}", now + cases[i].exp,
                                    now + cases[i].nbf);
        expect("/times/", bearer(hs_token(claims)), cases[i].fault ? 401 : 200,
               cases[i].fault ? cases[i].fault : "ann");
        expect("/plain/", bearer(hs_token(claims)), 200, "ann");
    }
    expect("/times/", bearer(hs_token("{\"iss\":\"hs\"}")), 401, "exp: must be a number");
    expect("/times/", bearer(hs_token("{\"iss\":\"hs\",\"exp\":99999999999}")), 401, "nbf: must be a number");
    expect("/times/", "", 401, "\r\nwww-authenticate: Bearer realm=\"here\"\r\n");
    expect("/times/", bearer("x"), 401, "\r\nwww-authenticate: Bearer realm=\"here\", error=\"invalid_token\"\r\n");
}

EDGE_TEST(edge_jwt, is_found_where_it_is_told_to_look)
{
    char *token = hs_token("{\"iss\":\"hs\"}");
    expect("/elsewhere/", arena_printf(&ctx.arena, "x-token: bearer  %s\r\n", token), 200, "ann");
    expect("/elsewhere/", arena_printf(&ctx.arena, "Cookie: a=b; session=%s\r\n", token), 200, "ann");
    expect(arena_printf(&ctx.arena, "/elsewhere/?t=%s", token), "", 200, "ann");
    expect("/elsewhere/", bearer(token), 401, "Unauthorized");
    expect(arena_printf(&ctx.arena, "/elsewhere/?jwt=%s", token), "", 401, "Unauthorized");
    char *kid = token_made(&ctx.arena, "{\"alg\":\"HS512\",\"kid\":\"hs512\"}", "{}", TOKEN_HS512, NULL, "a secret");
    expect("/kid/", bearer(kid), 200, "\r\nx-credential-identifier: hs512\r\n");
    char *not_base64 = token_made(&ctx.arena, "{\"alg\":\"HS256\",\"kid\":\"hs\"}", "{}", TOKEN_HS256, NULL,
                                  "a secret");
    expect("/kid/", bearer(not_base64), 401, "Invalid key/secret");
}

EDGE_TEST(edge_jwt, one_of_several_plugins_is_enough_where_there_is_an_anonymous_one)
{
    const char *token = bearer(hs_token("{\"iss\":\"hs\"}"));
    expect("/open/", bearer("nonsense"), 200, "\r\nx-anonymous-consumer: true\r\n");
    expect("/open/", token, 200, "\r\nx-consumer-username: ann\r\n");
    expect("/either/", token, 200, "\r\nx-consumer-groups: staff\r\n");
    expect("/either/", "apikey: key-of-ann\r\n", 200, "\r\nx-consumer-groups: staff\r\n");
    expect("/either/", "", 401, "Unauthorized");
    expect("/both/", token, 401, "No API key found in request");
    expect("/both/", "apikey: key-of-ann\r\n", 401, "\r\nwww-authenticate: Bearer\r\n");
    expect("/both/", arena_printf(&ctx.arena, "%sapikey: key-of-ann\r\n", token), 200, "ann");
    char *answer = ask(edge.port, "OPTIONS /open/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_expect_not(has(answer, "x-anonymous-consumer"), "%s", answer);
    free(answer);
}

static bool is_refused(void *headers)
{
    char *answer = get(edge.port, "/times/", headers);
    bool refused = status_of(answer) == 401;
    free(answer);
    return refused;
}

/* What was verified once is not verified anew: but for its signature, it is looked at each time. */
EDGE_TEST(edge_jwt, one_that_was_good_is_refused_at_its_end_and_when_it_is_changed)
{
    long long end = clock_now_ms() / 1000 + 4;
    char *claims = arena_printf(&ctx.arena, "{\"iss\":\"rs\",\"exp\":%lld,\"nbf\":1}", end);
    char *token = token_made(&ctx.arena, "{\"alg\":\"RS256\"}", claims, TOKEN_RS256, pairs[RS], NULL);
    for (int i = 0; i < 3; i++)
        expect("/times/", bearer(token), 200, "ann");
    char *changed = arena_strdup(&ctx.arena, token), *last = strrchr(changed, '.') + 5;
    *last = *last == 'A' ? 'B' : 'A';
    expect("/times/", bearer(changed), 401, "Invalid signature");
    cr_expect(eventually(30000, is_refused, (void *)bearer(token)));
    cr_expect_geq(clock_now_ms() / 1000, end);
}

/* By every loop: each takes a new configuration by itself, and connections are shared out among them. */
static bool is_taken_by_all(void *headers)
{
    bool taken = true;
    for (int i = 0; i < 16 && taken; i++) {
        char *answer = get(edge.port, "/plain/", headers);
        taken = status_of(answer) == 200;
        free(answer);
    }
    return taken;
}

/* The same name for another key: what the old one signed is nothing now. */
EDGE_TEST(edge_jwt, one_that_was_good_is_refused_once_its_key_is_another)
{
    char *token = token_made(&ctx.arena, "{\"alg\":\"RS256\"}", "{\"iss\":\"rs\",\"exp\":5,\"nbf\":1}", TOKEN_RS256,
                             pairs[RS], NULL);
    expect("/plain/", bearer(token), 200, "ann");
    EVP_PKEY *other = token_key_made(TOKEN_RS256);
    edge_process_write(&edge, config, backend_port(one), quoted_pem(other), quoted_pem(pairs[ES]));
    edge_process_signal(&edge, SIGHUP);
    char *fresh = token_made(&ctx.arena, "{\"alg\":\"RS256\"}", "{\"iss\":\"rs\"}", TOKEN_RS256, other, NULL);
    cr_expect(eventually(30000, is_taken_by_all, (void *)bearer(fresh)));
    for (int i = 0; i < 4; i++)
        expect("/plain/", bearer(token), 401, "Invalid signature");
    EVP_PKEY_free(other);
}

/* Auth's own tokens */

static char *auth_token(const struct jwt_key *key, const char *user, const char *session, int life_s)
{
    int64_t now = clock_now_ms() / 1000;
    struct jwt_claims claims = { .issuer = "tonearm",
                                 .audience = "tonearm",
                                 .subject = user,
                                 .session = session,
                                 .issued = now,
                                 .expires = now + life_s };
    return jwt_sign(&ctx, key, "at+jwt", &claims);
}

EDGE_TEST(edge_jwt, knows_auths_keys_and_asks_nobody_about_a_token)
{
    const char *token = bearer(auth_token(&signing, "user-1", "s-1", 60));
    for (int i = 0; i < 10; i++)
        expect("/auth/", token, 200, "\r\nx-consumer-id: user-1\r\n");
    expect("/auth/", token, 200, "\r\nx-credential-identifier: s-1\r\n");
    expect("/auth/", bearer(auth_token(&signing, "user-2", "s-1", 60)), 200, "\r\nx-consumer-username: linked\r\n");
    expect("/auth/", bearer(hs_token("{\"iss\":\"hs\"}")), 200, "\r\nx-consumer-username: ann\r\n");
    expect("/auth/", bearer(auth_token(&signing, "user-1", "s-1", 0)), 401, "the token has expired");
    expect("/plain/", token, 401, "No credentials found for given 'iss'");
    for (int i = 0; i < 3; i++) { /* whichever loop: what was right there is not right here */
        expect("/issuer/", token, 401, "the token is of another issuer");
        expect("/audience/", token, 401, "the token is for another audience");
    }
    /* Near its end; what was right before is looked at again. */
    int64_t end = clock_now_ms() / 1000 + 6;
    const char *late = bearer(auth_token(&signing, "user-1", "s-1", 6));
    for (int i = 0; i < 4; i++)
        expect("/auth/", late, 200, "user-1");
    while (clock_now_ms() / 1000 <= end + 1)
        usleep(20000);
    for (int i = 0; i < 4; i++)
        expect("/auth/", late, 401, "the token has expired");
    char *other = jwt_sign(
        &ctx, &signing, "JWT",
        &(struct jwt_claims){ .issuer = "tonearm", .audience = "tonearm", .subject = "u", .expires = INT32_MAX });
    expect("/auth/", bearer(other), 401, "the token is of another type");
    cr_expect_eq(asked, 1);
}

EDGE_TEST(edge_jwt, finds_a_new_key_and_is_not_made_to_ask_by_forgeries)
{
    struct jwt_key forged = make_key(JWT_ES256);
    expect("/auth/", bearer(auth_token(&signing, "user-1", "s-1", 60)), 200, "user-1");
    for (int i = 0; i < 20; i++)
        expect("/auth/", bearer(auth_token(&forged, "user-1", "s-1", 60)), 401, "No credentials found for given 'kid'");
    cr_expect_eq(asked, 1);
    EVP_PKEY_free(forged.key);
}

/* 503: auth, a thread of this process, was not asked in time on a busy machine. */
static int refused_within(const char *token, int64_t ms)
{
    int64_t until = calm_ms() + ms;
    int status = 200;
    while ((status == 200 || status == 503) && calm_ms() < until) {
        char *answer = get(edge.port, "/auth/", token);
        status = status_of(answer);
        free(answer);
    }
    return status;
}

EDGE_TEST(edge_jwt, an_ended_session_is_refused_within_a_second)
{
    const char *token = bearer(auth_token(&signing, "user-1", "64d1f0a2b3c4d5e6f7a8b9c0", 60));
    expect("/auth/", token, 200, "user-1");
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "64d1f0a2b3c4d5e6f7a8b9c0", 1));
    cr_expect_eq(refused_within(token, 1000), 401);
}

/* Its key is told of as a session of its name. */
EDGE_TEST(edge_jwt, a_revoked_signing_key_is_forgotten_and_the_next_one_asked_for)
{
    const char *token = bearer(auth_token(&signing, "user-1", "s-1", 60));
    expect("/auth/", token, 200, "user-1");
    publish(&rotated, NULL);
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, signing.kid, 1));
    cr_expect_eq(refused_within(token, KEY_MS), 401);
    expect("/auth/", bearer(auth_token(&rotated, "user-1", "s-1", 60)), 200, "user-1");
}

/* The replica of auth that is asked next tells of it still, and not yet of the one that signs now. */
EDGE_TEST(edge_jwt, a_revoked_signing_key_is_not_learned_again_and_the_next_one_soon)
{
    const char *token = bearer(auth_token(&signing, "user-1", "s-1", 60));
    expect("/auth/", token, 200, "user-1");
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, signing.kid, 1));
    cr_expect_eq(refused_within(token, KEY_MS), 401);
    expect("/auth/", bearer(auth_token(&signing, "user-2", "s-2", 60)), 401, "has been revoked");
    publish(&signing, &rotated);
    const char *fresh = bearer(auth_token(&rotated, "user-1", "s-1", 60));
    int64_t until = calm_ms() + 5000; /* of the ten seconds that a forgery would wait */
    int status = 401;
    while (status == 401 && calm_ms() < until) {
        char *answer = get(edge.port, "/auth/", fresh);
        status = status_of(answer);
        free(answer);
    }
    cr_expect_eq(status, 200);
}

EDGE_TEST(edge_jwt, an_outage_of_auth_is_no_answer_about_a_token)
{
    const char *token = bearer(auth_token(&signing, "user-1", "s-1", 60));
    service_stop(auth.service);
    int64_t begun = calm_ms();
    expect("/auth/", token, 503, "\r\nretry-after: ");
    cr_expect_lt(calm_ms() - begun, 2000);
    expect("/auth/", bearer(hs_token("{\"iss\":\"hs\"}")), 200, "ann");
}
