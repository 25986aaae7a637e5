/* Sign-in by an OpenID Connect provider: what is asked, and which answers are none. RFC 9700, OpenID Connect Core. */
#include "oauth_fixture.h"

#include "base/text.h"
#include "oauth/oauth_flow.h"

TestSuite(oauth_refused, .init = oauth_setup, .fini = oauth_teardown, .timeout = 300);

static int back(const struct trip *trip, const char *more)
{
    const char *address = at_provider(trip, "ann-1", "ann@example.com", true);
    return come_back(format("%s%s", address, more), trip->cookie).status;
}

/* "state" -> its value in the address; "" where it is not there. */
static const char *parameter(const char *address, const char *name)
{
    const char *at = strstr(address, format("&%s=", name));
    if (!at)
        at = strstr(address, format("?%s=", name));
    at = at ? strchr(at, '=') + 1 : "";
    return format("%.*s", (int)strcspn(at, "&"), at);
}

Test(oauth_refused, asks_as_it_must)
{
    struct trip one = set_out("mock"), two = set_out("mock");
    cr_expect(text_starts(one.location, format("%s/authorize?", provider.issuer)));
    cr_expect_str_eq(parameter(one.location, "response_type"), "code");
    cr_expect_str_eq(parameter(one.location, "client_id"), "tonearm");
    cr_expect_str_eq(parameter(one.location, "scope"), "openid%20email%20profile");
    cr_expect_str_eq(parameter(one.location, "redirect_uri"), "http%3A%2F%2Flocalhost%2Foauth%2Fmock%2Fcallback");
    cr_expect_str_eq(parameter(one.location, "code_challenge_method"), "S256");
    static const char *const fresh[] = { "state", "nonce", "code_challenge" };
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(strlen(parameter(one.location, fresh[i])), 43, "%s", fresh[i]);
        cr_expect_str_neq(parameter(one.location, fresh[i]), parameter(two.location, fresh[i]));
    }
    cr_expect_str_eq(header_of(&one.answer, "cache-control"), "no-store");
    const char *cookie = header_of(&one.answer, "set-cookie");
    cr_expect(text_starts(cookie, "tonearm-oauth="));
    cr_expect(text_ends(cookie, "; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "%s", cookie);
    cr_expect_null(strstr(one.cookie, parameter(one.location, "state")));
    struct answer secure = CALL(GET, "/oauth/mock/start", .scheme = "https");
    cookie = header_of(&secure, "set-cookie");
    cr_expect(text_starts(cookie, "__Host-tonearm-oauth="), "%s", cookie);
    cr_expect(text_ends(cookie, "; Secure"), "%s", cookie);
    cr_expect_eq(CALL(GET, "/oauth/nobody/start").status, 404);
    cr_expect_eq(CALL(GET, "/oauth/nobody/callback?code=a&state=b").status, 404);
}

/* RFC 7636, appendix B. */
Test(oauth_refused, makes_a_challenge_of_its_verifier)
{
    const struct oauth_flow flow = { .verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" };
    cr_expect_str_eq(oauth_flow_challenge(&fixture.ctx, &flow), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

Test(oauth_refused, answers_of_another_sign_in)
{
    struct trip mine = set_out("mock"), theirs = set_out("mock");
    const char *my_way = at_provider(&mine, "ann-1", "ann@example.com", true);
    const char *code = parameter(my_way, "code");
    cr_expect_eq(come_back(my_way, theirs.cookie).status, 401, "the state of another browser");
    cr_expect_eq(come_back(my_way, NULL).status, 401, "no cookie");
    cr_expect_eq(come_back(my_way, "").status, 401);
    cr_expect_eq(come_back(my_way, format("%sA", mine.cookie)).status, 401);
    cr_expect_eq(come_back(format("http://x/oauth/mock/callback?code=%s", code), mine.cookie).status, 401, "no state");
    cr_expect_eq(come_back(format("http://x/oauth/mock/callback?code=%s&state=", code), mine.cookie).status, 401);
    cr_expect_eq(
        come_back(format("http://x/oauth/mock/callback?code=%s&state=%s", code, parameter(theirs.location, "state")),
                  mine.cookie)
            .status,
        401, "another state");
    cr_expect_eq(come_back(format("http://x/oauth/other/callback?code=%s&state=%s", code, parameter(my_way, "state")),
                           mine.cookie)
                     .status,
                 401, "another provider");
    cr_expect_eq(come_back(my_way, mine.cookie).status, 200, "none of these has used it up");
}

Test(oauth_refused, answers_that_come_again)
{
    struct trip trip = set_out("mock");
    const char *first = at_provider(&trip, "ann-1", "ann@example.com", true);
    const char *second = at_provider(&trip, "ann-1", "ann@example.com", true); /* a code that is good by itself */
    struct answer good = come_back(first, trip.cookie);
    cr_expect_eq(good.status, 200, "%s", good.text);
    cr_expect(text_ends(header_of(&good, "set-cookie"), "tonearm-oauth=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"));
    cr_expect_eq(come_back(first, trip.cookie).status, 401);
    cr_expect_eq(come_back(second, trip.cookie).status, 401);
}

Test(oauth_refused, answers_that_come_too_late)
{
    const struct vault *vault = &fixture.parts.signing_keys.vault;
    struct ctx *ctx = &fixture.ctx;
    struct oauth_flow flow = oauth_flow_begin(ctx), out;
    flow.provider = "mock";
    flow.redirect = "http://localhost";
    cr_expect_leq(flow.until, clock_now_ms() + 600000);
    cr_expect(oauth_flow_open(ctx, vault, "state", oauth_flow_seal(ctx, vault, "state", &flow), "mock", &out));
    cr_expect_str_eq(out.verifier, flow.verifier);
    cr_expect_str_eq(out.nonce, flow.nonce);
    flow.until = clock_now_ms() - 1;
    cr_expect_not(oauth_flow_open(ctx, vault, "state", oauth_flow_seal(ctx, vault, "state", &flow), "mock", &out));
    cr_expect_eq(ctx->error->code, ERROR_UNAUTHORIZED);
}

Test(oauth_refused, tokens_that_are_not_for_this_sign_in)
{
    static const char *const wrong[] = {
        "{\"claims\":{\"nonce\":\"another\"}}",
        "{\"claims\":{\"nonce\":null}}",
        "{\"claims\":{\"aud\":\"another\"}}",
        "{\"claims\":{\"aud\":[\"tonearm\",\"another\"]}}",
        "{\"claims\":{\"azp\":\"another\"}}",
        "{\"claims\":{\"iss\":\"https://another.example\"}}",
        "{\"claims\":{\"exp\":1}}",
        "{\"claims\":{\"sub\":null}}",
        "{\"header\":{\"typ\":\"at+jwt\"}}",
        "{\"header\":{\"kid\":\"unknown\"}}",
        "{\"key\":\"stranger\"}",
        "{\"key\":\"public\"}",
        "{\"key\":\"none\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        spoil(wrong[i]);
        struct answer answer = sign_in_as("ann-1", "ann@example.com", true);
        cr_expect_eq(answer.status, 401, "%s: %s", wrong[i], answer.text);
    }
    spoil("{\"key\":\"curve\"}");
    cr_expect_eq(sign_in_as("ann-1", "ann@example.com", true).status, 200);
}

Test(oauth_refused, answers_of_another_issuer)
{
    struct trip trip = set_out("mock");
    cr_expect_eq(back(&trip, "&iss=https://another.example"), 401);
    cr_expect_eq(back(&trip, format("&iss=%s", provider.issuer)), 200);
}

static void setup_telling_iss(void)
{
    oauth_setup_telling("{\"authorization_response_iss_parameter_supported\":true}");
}

TestSuite(oauth_promised, .init = setup_telling_iss, .fini = oauth_teardown, .timeout = 300);

Test(oauth_promised, answers_without_the_issuer_are_refused)
{
    struct trip trip = set_out("mock");
    cr_expect_eq(back(&trip, ""), 401);
    cr_expect_eq(back(&trip, format("&iss=%s", provider.issuer)), 200);
}

Test(oauth_refused, who_says_no)
{
    static const struct {
        const char *error;
        int status;
    } rows[] = { { "access_denied", 403 },
                 { "server_error", 503 },
                 { "temporarily_unavailable", 503 },
                 { "login_required", 401 },
                 { "%0d%0a<script>", 401 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct trip trip = set_out("mock");
        const char *state = parameter(trip.location, "state");
        const char *address = format("http://x/oauth/mock/callback?error=%s&state=%s", rows[i].error, state);
        cr_expect_eq(come_back(address, NULL).status, 401);
        struct answer answer = come_back(address, trip.cookie);
        cr_expect_eq(answer.status, rows[i].status, "%s: %s", rows[i].error, answer.text);
        cr_expect_null(strstr(answer.text, "script"));
        cr_expect_eq(come_back(address, trip.cookie).status, 401, "once");
    }
    struct trip trip = set_out("mock");
    const char *state = parameter(trip.location, "state");
    struct answer none = come_back(format("http://x/oauth/mock/callback?state=%s", state), trip.cookie);
    cr_expect_eq(none.status, 400);
    cr_expect(has_violation(&none, "code", "required"));
}

static void token_endpoint_says(int status, const char *body)
{
    provider_do(&provider, "answer", format("{\"path\":\"/oidc/token\",\"status\":%d,\"body\":\"%s\"}", status, body));
}

Test(oauth_refused, while_the_provider_is_away)
{
    static const struct {
        int provider;
        const char *body;
        int status;
    } rows[] = {
        { 500, "", 503 },
        { 200, "", 503 },
        { 200, "{\\\"access_token\\\":\\\"a\\\"}", 503 },
        { 401, "{\\\"error\\\":\\\"invalid_client\\\"}", 503 },
        { 400, "{\\\"error\\\":\\\"invalid_grant\\\"}", 401 },
        { 200, "{\\\"id_token\\\":\\\"a.b.c\\\"}", 401 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        token_endpoint_says(rows[i].provider, rows[i].body);
        struct answer answer = sign_in_as("ann-1", "ann@example.com", true);
        cr_expect_eq(answer.status, rows[i].status, "%d %s: %s", rows[i].provider, rows[i].body, answer.text);
        cr_expect(rows[i].status != 503 || header_of(&answer, "retry-after"));
    }
    token_endpoint_says(0, "");
    cr_expect_eq(sign_in_as("ann-1", "ann@example.com", true).status, 200);
    struct trip trip = set_out("mock");
    const char *address = at_provider(&trip, "ann-1", "ann@example.com", true);
    provider_stop(&provider);
    cr_expect_eq(come_back(address, trip.cookie).status, 503);
    cr_assert(auth_restart());
    cr_expect_eq(CALL(GET, "/oauth/mock/start").status, 503);
}

/* A slow provider holds some workers, never all. */
Test(oauth_refused, more_than_may_wait)
{
    struct trip trip = set_out("mock");
    const char *address = at_provider(&trip, "ann-1", "ann@example.com", true);
    atomic_store(&fixture.parts.waiting_for_providers, fixture.parts.oauth.waiting_max);
    cr_expect_eq(CALL(GET, "/oauth/mock/start").status, 503);
    cr_expect_eq(come_back(address, trip.cookie).status, 503);
    cr_expect_eq(atomic_load(&fixture.parts.waiting_for_providers), fixture.parts.oauth.waiting_max);
    atomic_store(&fixture.parts.waiting_for_providers, 0);
    cr_expect_eq(come_back(address, trip.cookie).status, 200);
}

/* Not refused: what one replica began another may finish, for all it needs comes with the browser. */
Test(oauth_refused, not_where_another_replica_began)
{
    struct trip trip = set_out("mock");
    const char *address = at_provider(&trip, "ann-1", "ann@example.com", true);
    cr_assert(auth_restart());
    cr_expect_eq(come_back(address, trip.cookie).status, 200);
    cr_assert(auth_restart());
    cr_expect_eq(come_back(address, trip.cookie).status, 401, "and once, wherever");
}
