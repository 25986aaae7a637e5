#include "auth_fixture.h"
#include "base/text.h"
#include "libjwt_verify.h"
#include "session/session_store.h"
#include "user/user_store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(signin, .init = auth_start, .fini = auth_stop, .timeout = 60);

static struct answer sign_in(const char *email, const char *password)
{
    return CALL(POST, "/signin/basic", format("{\"email\":\"%s\",\"password\":\"%s\"}", email, password));
}

Test(signin, gives_the_user_and_tokens)
{
    struct person ann = signup("ann");
    struct answer answer = sign_in("ANN@example.com", "correct horse");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.data, "user.id"), ann.id);
    cr_expect_str_eq(text_at(answer.data, "user.roles.0.code"), "LISTENER");
    struct person again = person_of(json_at(answer.data, "tokens"));
    cr_expect_str_eq(again.id, ann.id);
    cr_expect_str_neq(again.session, ann.session);
    bool no_store = false;
    for (const struct pair *header = answer.headers; header && header->name; header++)
        no_store = no_store || (text_equal(header->name, "cache-control") && text_equal(header->value, "no-store"));
    cr_expect(no_store);
}

Test(signin, answers_alike_whatever_is_wrong)
{
    struct person ann = signup("ann");
    struct answer password = sign_in(ann.email, "wrong horse");
    struct answer address = sign_in("nobody@example.com", "correct horse");
    cr_assert(user_set_status(&fixture.ctx, &fixture.parts.users, ann.id, USER_SUSPENDED));
    struct answer suspended = sign_in(ann.email, "correct horse");
    cr_expect_eq(password.status, 401);
    cr_expect_str_eq(password.text, address.text);
    cr_expect_str_eq(password.text, suspended.text);
}

/* CPU time of this thread: the machine may be busy with something else. */
static int64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Each from a network of its own: nobody is locked out. */
static void keep_shortest(int64_t *shortest, const char *email, int number)
{
    const char *body = format("{\"email\":\"%s\",\"password\":\"wrong horse\"}", email);
    const char *peer = format("10.0.%d.1", number);
    int64_t begin = cpu_us();
    cr_assert_eq(CALL(POST, "/signin/basic", body, .peer = peer).status, 401);
    int64_t took = cpu_us() - begin;
    *shortest = took < *shortest ? took : *shortest;
}

static void start_with_dear_hashes(void)
{
    fixture_options.cost = (struct password_cost){ 3, 16 << 20 };
    auth_start();
}

TestSuite(dear_signin, .init = start_with_dear_hashes, .fini = auth_stop, .timeout = 60);

static const char bcrypt_hash[] = "$2b$04$dTEmTFeMXsb3wCA6PdY.WuCauigUVDAYY.dvX6gy5dz.2hvM3KD9m"; /* "swordfish" */

static void give_hash(const struct person *person, const char *hash)
{
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, person->id);
    user->password = hash;
    cr_assert(user_store_rehash(&fixture.ctx, fixture.store, user));
}

static bool close_to(int64_t one, int64_t other)
{
    return llabs(one - other) < one / 3;
}

Test(dear_signin, takes_the_same_time_whether_there_is_an_account)
{
    struct person ann = signup("ann"), bob = signup("bob");
    int64_t with = INT64_MAX, without = INT64_MAX, old = INT64_MAX;
    give_hash(&bob, bcrypt_hash);
    /* What the machine adds is least in one round of many. What is not the same stays so. */
    for (int i = 0; i < 9 || (i < 80 && !(close_to(with, without) && close_to(with, old))); i++) {
        keep_shortest(&with, ann.email, i);
        keep_shortest(&without, "nobody@example.com", i + 80);
        keep_shortest(&old, bob.email, i + 160);
    }
    cr_expect_gt(with, 1000, "the hash is not made at all");
    cr_expect(close_to(with, without), "%lld us and %lld us", (long long)with, (long long)without);
    cr_expect(close_to(with, old), "%lld us and %lld us", (long long)with, (long long)old);
}

Test(signin, calls_an_outage_an_outage)
{
    signup("ann");
    struct answer answer = CALL(POST, "/signin/basic", "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}",
                                .late = true);
    cr_expect_eq(answer.status, 503, "%s", answer.text);
}

Test(signin, rewrites_a_hash_that_is_outdated)
{
    struct person ann = signup("ann");
    give_hash(&ann, bcrypt_hash);
    cr_assert_eq(sign_in(ann.email, "swordfish").status, 200);
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, ann.id);
    cr_expect(text_starts(user->password, "$argon2id$"), "%s", user->password);
    cr_expect_eq(user->user_version, 1);
    cr_expect_eq(sign_in(ann.email, "swordfish").status, 200);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
}

static const char *signing_pem(void)
{
    const struct signing_keys *keys = &fixture.parts.signing_keys;
    struct list list;
    cr_assert(signing_key_list(&fixture.ctx, keys, &list) && list.count == 1);
    EVP_PKEY *key = signing_key_open(&fixture.ctx, keys, list.items);
    cr_assert_not_null(key);
    const char *pem = jwt_key_write(&fixture.ctx, key);
    EVP_PKEY_free(key);
    return pem;
}

/* libjwt 1.10 takes no other typ than JWT: it checks the ID token in full, and we the access token. */
Test(signin, signs_what_others_verify)
{
    struct answer answer = sign_in(signup("ann").email, "correct horse");
    const char *id = text_at(answer.data, "user.id");
    json_t *jwt = libjwt_verify(text_at(answer.data, "tokens.idToken"), signing_pem());
    cr_assert_not_null(jwt);
    cr_expect_str_eq(text_at(jwt, "header.typ"), "JWT");
    cr_expect_not_null(text_at(jwt, "header.kid"));
    cr_expect_str_eq(text_at(jwt, "claims.iss"), "https://issuer.test");
    cr_expect_str_eq(text_at(jwt, "claims.aud"), "tonearm-test");
    cr_expect_str_eq(text_at(jwt, "claims.sub"), id);
    cr_expect_str_eq(text_at(jwt, "claims.email"), "ann@example.com");
    cr_expect(json_is_false(json_at(jwt, "claims.email_verified")), "nobody has shown whose it is");
    json_decref(jwt);

    struct jwt_claims claims;
    cr_assert(
        token_check(&fixture.ctx, &fixture.parts.tokens, text_at(answer.data, "tokens.accessToken"), false, &claims));
    cr_expect_str_eq(claims.subject, id);
    cr_expect_not_null(claims.session);
    cr_expect_not_null(claims.id);
    cr_expect_not_null(claims.client);
    cr_expect_eq(claims.user_version, 1);
    cr_expect_eq(claims.expires - claims.issued, 900);
    cr_expect_null(claims.email, "people are named in ID tokens only");
}

/* The caller's. */
static json_t *claims_of(const json_t *tokens)
{
    json_t *jwt = libjwt_verify(text_at(tokens, "idToken"), signing_pem());
    cr_assert_not_null(jwt);
    json_t *claims = json_incref(json_at(jwt, "claims"));
    json_decref(jwt);
    return claims;
}

static int64_t number_at(const json_t *json, const char *path)
{
    return json_integer_value(json_at(json, path));
}

static bool say_verified(struct ctx *ctx, struct user *user, const void *with)
{
    (void)ctx, (void)with;
    user->verified_at = clock_now_ms();
    return true;
}

/* What OpenID Connect Core says of it: sections 2, 3.1.3.6 and 5.1; at a refresh, 12.2. */
Test(signin, tells_in_the_id_token_who_it_is)
{
    struct person ann = signup("ann");
    CALL(PATCH, "/profile/mine", "{\"profilePicUrl\":\"https://example.com/a.png\",\"locale\":\"de\"}",
         .token = ann.access);
    cr_assert(user_edit(&fixture.ctx, &fixture.parts.users, ann.id, say_verified, NULL));
    struct answer answer = CALL(
        POST, "/signin/basic",
        "{\"email\":\"ann@example.com\",\"password\":\"correct horse\",\"nonce\":\"n-0S6_WzA2Mj\"}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    const json_t *tokens = json_at(answer.data, "tokens");
    json_t *claims = claims_of(tokens);
    cr_expect_str_eq(text_at(claims, "nonce"), "n-0S6_WzA2Mj");
    cr_expect_str_eq(text_at(claims, "name"), "ann");
    cr_expect_str_eq(text_at(claims, "picture"), "https://example.com/a.png");
    cr_expect_str_eq(text_at(claims, "locale"), "de");
    cr_expect(json_is_true(json_at(claims, "email_verified")));
    cr_expect_leq(number_at(claims, "auth_time"), number_at(claims, "iat"));
    cr_expect_gt(number_at(claims, "auth_time"), number_at(claims, "iat") - 60);
    cr_expect_str_eq(text_at(claims, "at_hash"), jwt_access_hash(&fixture.ctx.arena, text_at(tokens, "accessToken")));

    struct session *session = session_store_get(&fixture.ctx, fixture.store, person_of(tokens).session);
    session->created_at -= 3600 * 1000;
    cr_assert(store_update(&fixture.ctx, fixture.store, &session_collection, session,
                           (struct update){ .set = FIELDS("createdAt") }));
    struct answer next = refresh(text_at(tokens, "refreshToken"));
    cr_assert_eq(next.status, 200, "%s", next.text);
    json_t *later = claims_of(next.data);
    cr_expect_str_eq(text_at(later, "sub"), ann.id);
    cr_expect_eq(number_at(later, "auth_time"), session->created_at / 1000, "of the sign-in, not of the refresh");
    cr_expect_null(text_at(later, "nonce"));
    cr_expect_str_eq(text_at(later, "at_hash"), jwt_access_hash(&fixture.ctx.arena, text_at(next.data, "accessToken")));
    json_decref(claims);
    json_decref(later);
    cr_expect_eq(
        CALL(POST, "/signin/basic", "{\"email\":\"ann@example.com\",\"password\":\"correct horse\",\"nonce\":\"\"}")
            .status,
        400);
}

static const char *altered(const char *token, size_t at)
{
    char *copy = arena_strdup(&fixture.ctx.arena, token);
    copy[at] = copy[at] == 'A' ? 'B' : 'A';
    return copy;
}

Test(signin, takes_no_other_token_for_an_access_token)
{
    struct answer answer = sign_in(signup("ann").email, "correct horse");
    const char *access = text_at(answer.data, "tokens.accessToken");
    const char *const others[] = {
        text_at(answer.data, "tokens.idToken"), text_at(answer.data, "tokens.refreshToken"),       "", "x.y.z",
        altered(access, strlen(access) - 20),   altered(access, strchr(access, '.') - access + 5),
    };
    cr_expect_eq(CALL(GET, "/profile/mine", .token = access).status, 200);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_eq(CALL(GET, "/profile/mine", .token = others[i]).status, 401, "%s", others[i]);
    cr_expect_eq(CALL(GET, "/profile/mine").status, 401);
}
