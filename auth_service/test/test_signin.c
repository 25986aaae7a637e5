#include "auth_fixture.h"
#include "base/text.h"
#include "libjwt_verify.h"
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

static void keep_shortest(int64_t *shortest, const char *email)
{
    int64_t begin = cpu_us();
    cr_assert_eq(sign_in(email, "wrong horse").status, 401);
    int64_t took = cpu_us() - begin;
    *shortest = took < *shortest ? took : *shortest;
}

static void start_with_dear_hashes(void)
{
    fixture_options.cost = (struct password_cost){ 2, 8 << 20 };
    auth_start();
}

TestSuite(dear_signin, .init = start_with_dear_hashes, .fini = auth_stop, .timeout = 60);

Test(dear_signin, takes_the_same_time_whether_there_is_an_account)
{
    struct person ann = signup("ann");
    int64_t with = INT64_MAX, without = INT64_MAX;
    for (int i = 0; i < 9; i++) {
        keep_shortest(&with, ann.email);
        keep_shortest(&without, "nobody@example.com");
    }
    cr_expect_gt(with, 1000, "the hash is not made at all");
    cr_expect_lt(llabs(with - without), with / 3, "%lld us and %lld us", (long long)with, (long long)without);
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
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, ann.id);
    user->password = "$2b$04$dTEmTFeMXsb3wCA6PdY.WuCauigUVDAYY.dvX6gy5dz.2hvM3KD9m"; /* "swordfish" */
    cr_assert(user_store_rehash(&fixture.ctx, fixture.store, user));
    cr_assert_eq(sign_in(ann.email, "swordfish").status, 200);
    user = user_get(&fixture.ctx, &fixture.parts.users, ann.id);
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
