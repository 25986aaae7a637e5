/* Access tokens of a trusted issuer, which is a real provider process: whom they name, and which are refused. */
#include "auth_fixture.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "foreign_fixture.h"
#include "session/session_store.h"
#include "user/user_store.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <string.h>

TestSuite(foreign_tokens, .init = foreign_setup, .fini = foreign_teardown, .timeout = 120);

Test(foreign_tokens, one_is_a_sign_in)
{
    const char *token = foreign_token("{\"claims\":{\"sub\":\"ann\",\"name\":\"Ann Other\"}}");
    struct answer answer = validate(token);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.body, "user.name"), "Ann Other");
    cr_expect_str_eq(text_at(answer.body, "roles.0.code"), ROLE_LISTENER);
    const char *id = text_at(answer.body, "user.id");
    cr_expect_str_eq(text_at(validate(token).body, "user.id"), id);
    cr_expect_str_eq(text_at(validate(foreign_token("{\"claims\":{\"sub\":\"ann\",\"jti\":\"2\"}}")).body, "user.id"),
                     id);
    cr_expect_str_neq(text_at(validate(foreign_token("{\"claims\":{\"sub\":\"bob\"}}")).body, "user.id"), id);

    answer = CALL(GET, "/profile/mine", .token = token);
    cr_expect_eq(answer.status, 200);
    cr_expect_str_eq(text_at(answer.data, "id"), id);
    answer = CALL(GET, "/sessions", .token = token);
    cr_expect_eq(json_array_size(answer.data), 2, "%s", answer.text);
}

Test(foreign_tokens, wrong_ones_are_refused_and_make_no_account)
{
    static const char *const wishes[] = {
        "\"claims\":{\"aud\":\"another\"}",
        "\"claims\":{\"aud\":null}",
        "\"claims\":{\"iss\":\"https://another.example\"}",
        "\"claims\":{\"iss\":null}",
        "\"claims\":{\"exp\":1000}",
        "\"claims\":{\"nbf\":4102444800}",
        "\"claims\":{\"sub\":null}",
        "\"claims\":{\"sub\":\"with a blank\"}",
        "\"header\":{\"typ\":\"JWT\"}",
        "\"header\":{\"typ\":null}",
        "\"header\":{\"kid\":\"forged\"}",
        "\"key\":\"none\"",
        "\"key\":\"public\"",
        "\"key\":\"stranger\"",
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        struct answer answer = validate(foreign_token(format("{%s}", wishes[i])));
        cr_expect_eq(answer.status, 401, "%s: %s", wishes[i], answer.text);
    }
    cr_expect_not(user_find_linked(&fixture.ctx, &fixture.parts.users, foreign_link("1234567890")));
    cr_expect_eq(validate(foreign_token("{}")).status, 200);
    cr_expect(user_find_linked(&fixture.ctx, &fixture.parts.users, foreign_link("1234567890")));
}

/* The provider's own ID token, and one of ours. */
Test(foreign_tokens, an_id_token_opens_nothing)
{
    struct answer answer = CALL(POST, "/signup/basic",
                                "{\"email\":\"a@example.com\",\"password\":\"correct horse\",\"name\":\"Ann\"}");
    cr_expect_eq(validate(text_at(answer.data, "tokens.idToken")).status, 401);
    cr_expect_eq(validate(text_at(answer.data, "tokens.accessToken")).status, 200);
    const char *id_token = foreign_token("{\"header\":{\"typ\":\"JWT\"},\"claims\":{\"nonce\":\"n\"}}");
    cr_expect_eq(validate(id_token).status, 401);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = id_token).status, 401);
}

Test(foreign_tokens, a_refusal_on_the_way_in_asks_the_issuer_nothing)
{
    cr_assert_eq(validate(foreign_token("{}")).status, 200);
    int before = provider_asked_keys(&provider);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(validate(foreign_token("{\"key\":\"stranger\"}")).status, 401);
    cr_expect_eq(validate("a.b.c").status, 401);
    cr_expect_eq(provider_asked_keys(&provider), before);
}

Test(foreign_tokens, away_the_issuer_fails_only_what_needs_it)
{
    struct person own = signup("own");
    const char *known = foreign_token("{\"claims\":{\"sub\":\"ann\"}}"),
               *unseen = foreign_token("{\"claims\":{\"sub\":\"bob\"}}");
    provider_answer(&provider, 503);
    struct answer answer = call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", unseen), false);
    cr_expect_eq(answer.status, 503, "%s", answer.text);
    cr_expect_eq(validate(own.access).status, 200);
    provider_answer(&provider, 0);
    cr_assert_eq(validate(known).status, 200);
    provider_stop(&provider);
    cr_expect_eq(validate(known).status, 200);
    cr_expect_eq(validate(unseen).status, 200, "its keys are known");
    cr_expect_eq(validate(own.access).status, 200);
}

Test(foreign_tokens, a_rotation_is_followed)
{
    cr_assert_eq(validate(foreign_token("{}")).status, 200);
    provider_do(&provider, "rotate", "{}");
    cr_expect_eq(validate(foreign_token("{\"claims\":{\"jti\":\"2\"}}")).status, 200);
}

Test(foreign_tokens, suspended_and_deleted_are_refused)
{
    struct person root = admin();
    const char *token = foreign_token("{\"claims\":{\"sub\":\"ann\"}}"),
               *other = foreign_token("{\"claims\":{\"sub\":\"ann\",\"jti\":\"2\"}}"),
               *third = foreign_token("{\"claims\":{\"sub\":\"ann\",\"jti\":\"3\"}}");
    const char *id = text_at(validate(token).body, "user.id");
    const char *path = format("/users/%s/status", id);
    cr_assert_eq(CALL(PUT, path, "{\"status\":\"SUSPENDED\"}", .token = root.access).status, 200);
    cr_expect_eq(validate(token).status, 401);
    cr_expect_eq(validate(other).status, 401, "that was not seen before");
    cr_assert_eq(CALL(PUT, path, "{\"status\":\"ACTIVE\"}", .token = root.access).status, 200);
    cr_expect_eq(validate(token).status, 401, "its session has ended");
    cr_expect_eq(validate(other).status, 200);
    cr_assert_eq(CALL(DELETE, format("/users/%s", id), .token = root.access).status, 200);
    cr_expect_eq(validate(other).status, 401);
    cr_expect_eq(validate(third).status, 401, "a program does not bring back who was deleted");
    cr_expect_not(user_find_linked(&fixture.ctx, &fixture.parts.users, foreign_link("ann")));
}

Test(foreign_tokens, a_sign_out_ends_this_one)
{
    const char *token = foreign_token("{\"claims\":{\"sub\":\"ann\"}}"),
               *other = foreign_token("{\"claims\":{\"sub\":\"ann\",\"jti\":\"2\"}}");
    const char *session = text_at(validate(token).body, "sessionId");
    cr_assert_not_null(session);
    cr_assert_eq(validate(other).status, 200);
    cr_assert_eq(CALL(DELETE, "/signout", .token = token).status, 200);
    cr_expect_eq(validate(token).status, 401);
    cr_expect_eq(validate(other).status, 200);
    auth_restart();
    cr_expect_eq(validate(token).status, 401, "the store knows");
    /* Everybody was told of it. */
    const struct untold told = { .id = session };
    cr_expect(session_announced.settle(&fixture.ctx, fixture.store, &told));
    cr_expect_eq(validate(token).status, 401, "it does not begin anew");
    cr_assert_eq(CALL(DELETE, "/signout?all=true", .token = other).status, 200);
    cr_expect_eq(validate(other).status, 401);
}

/* s and n - s are both right: the other spelling of an ended token is the same session. */
static const char *other_spelling(const char *token)
{
    const char *dot = strrchr(token, '.');
    struct arena *arena = &fixture.ctx.arena;
    size_t size;
    unsigned char *signature = base64url_decode(arena, dot + 1, &size);
    cr_assert_eq(size, 64);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *s = BN_bin2bn(signature + 32, 32, NULL), *other = BN_new();
    BN_sub(other, EC_GROUP_get0_order(group), s);
    cr_assert_eq(BN_bn2binpad(other, signature + 32, 32), 32);
    BN_free(s);
    BN_free(other);
    EC_GROUP_free(group);
    return format("%.*s.%s", (int)(dot - token), token, base64url(arena, signature, size));
}

Test(foreign_tokens, another_spelling_of_a_signature_is_no_other_session)
{
    const char *token = foreign_token("{\"key\":\"curve\"}"), *spelt = other_spelling(token);
    cr_expect_str_neq(token, spelt);
    struct answer answer = validate(token);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(validate(spelt).body, "sessionId"), text_at(answer.body, "sessionId"));
    cr_assert_eq(CALL(DELETE, "/signout", .token = token).status, 200);
    cr_expect_eq(validate(spelt).status, 401);
}

struct crowd {
    const char *tokens[8];
    int statuses[8];
    const char *ids[8];
};

static void enter(void *self, size_t number)
{
    struct crowd *crowd = self;
    struct answer answer = validate(crowd->tokens[number]);
    crowd->statuses[number] = answer.status;
    crowd->ids[number] = text_at(answer.body, "user.id");
}

Test(foreign_tokens, first_tokens_at_once_make_one_account)
{
    struct crowd crowd;
    for (int i = 0; i < 8; i++)
        crowd.tokens[i] = foreign_token(format("{\"claims\":{\"sub\":\"ann\",\"jti\":\"%d\"}}", i / 2));
    cr_assert_eq(validate(foreign_token("{}")).status, 200); /* the keys are known */
    at_once(8, enter, &crowd);
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(crowd.statuses[i], 200);
        cr_expect_str_eq(crowd.ids[i], crowd.ids[0]);
    }
}

Test(foreign_tokens, others_are_told_the_issuers_and_their_keys_over_nats_alone)
{
    struct answer answer = call_subject("auth.jwks", "{}", false);
    cr_expect_eq(answer.status, 200);
    cr_expect_str_eq(text_at(answer.body, "issuers.0.issuer"), provider.issuer);
    cr_expect_str_eq(text_at(answer.body, "issuers.0.audience"), "tonearm");
    cr_expect(json_is_true(json_at(answer.body, "issuers.0.away")), "it was not asked yet");
    cr_expect_eq(provider_asked_keys(&provider), 0);
    answer = call_subject("auth.jwks", format("{\"issuer\":\"%s\",\"kid\":\"x\"}", provider.issuer), false);
    while (json_is_true(json_at(answer.body, "issuers.0.away"))) /* within the test's timeout */
        answer = call_subject("auth.jwks", format("{\"issuer\":\"%s\",\"kid\":\"x\"}", provider.issuer), false);
    cr_expect_eq(json_array_size(json_at(answer.body, "issuers.0.keys")), 2);
    cr_expect_geq(json_array_size(json_at(answer.body, "keys")), 1);
    cr_expect_eq(call_subject("auth.jwks", "{\"issuer\":7}", false).status, 400);
    answer = CALL(GET, "/.well-known/jwks.json");
    cr_expect_null(json_at(answer.body, "issuers"));
}
