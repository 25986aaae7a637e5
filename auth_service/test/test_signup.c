#include "auth_fixture.h"
#include "base/text.h"
#include "user/common_password.h"
#include "user/user_store.h"

#include <string.h>

TestSuite(signup, .init = auth_start, .fini = auth_stop, .timeout = 60);

static struct answer sign_up(const char *email, const char *password, const char *more)
{
    return CALL(POST, "/signup/basic",
                format("{\"email\":\"%s\",\"password\":\"%s\",\"name\":\"Ann\"%s}", email, password, more));
}

Test(signup, makes_an_account_and_signs_it_in)
{
    struct answer answer = sign_up("Ann@Example.com", "correct horse", ",\"profilePicUrl\":\"https://x.test/a.png\"");
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.body, "code"), "10000");
    cr_expect_str_eq(text_at(answer.data, "user.email"), "Ann@Example.com");
    cr_expect_str_eq(text_at(answer.data, "user.name"), "Ann");
    cr_expect_str_eq(text_at(answer.data, "user.profilePicUrl"), "https://x.test/a.png");
    cr_expect_str_eq(text_at(answer.data, "user.roles.0.code"), "LISTENER");
    cr_expect_not_null(text_at(answer.data, "user.roles.0.id"));
    cr_expect_null(json_at(answer.data, "user.roles.1"));
    cr_expect_null(json_at(answer.data, "user.password"));
    cr_expect_eq(json_integer_value(json_at(answer.data, "tokens.expiresIn")), 900);

    struct person person = person_of(json_at(answer.data, "tokens"));
    cr_expect_str_eq(person.id, text_at(answer.data, "user.id"));
    cr_expect_eq(CALL(GET, "/profile/mine", .token = person.access).status, 200);
}

Test(signup, keeps_no_password)
{
    struct person ann = signup("ann");
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, ann.id);
    cr_assert(user);
    cr_expect(text_starts(user->password, "$argon2id$"), "%s", user->password);
    cr_expect_null(strstr(user->password, "correct"));
}

Test(signup, tells_all_violations_at_once)
{
    struct answer answer = CALL(
        POST, "/signup/basic",
        "{\"email\":\"nobody\",\"password\":\"short\",\"profilePicUrl\":\"javascript:alert(1)\"}");
    cr_assert_eq(answer.status, 400);
    cr_expect_str_eq(text_at(answer.body, "code"), "10001");
    cr_expect(has_violation(&answer, "email", "email"));
    cr_expect(has_violation(&answer, "password", "min"));
    cr_expect(has_violation(&answer, "name", "required"));
    cr_expect(has_violation(&answer, "profilePicUrl", "url"));
    cr_expect_eq(json_array_size(json_at(answer.body, "errors")), 4);
}

/* auth_service/data/README.md */
Test(signup, refuses_the_commonest_passwords)
{
    static const char *const common[] = { "password",    "PASSWORD",   "12345678", "Qwertyuiop",
                                          "password123", "1q2w3e4r5t", "trustno1" };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        struct answer answer = sign_up(format("p%zu@example.com", i), common[i], "");
        cr_expect_eq(answer.status, 400, "%s", common[i]);
        cr_expect(has_violation(&answer, "password", "uncommon"), "%s", common[i]);
    }
    struct person ann = signup("ann");
    struct answer answer = CALL(PUT, "/password", "{\"current\":\"correct horse\",\"password\":\"Password1\"}",
                                .token = ann.access);
    cr_expect(has_violation(&answer, "password", "uncommon"), "%s", answer.text);
    cr_expect_eq(sign_up("bob@example.com", "password of mine", "").status, 201);
}

Test(signup, has_ten_thousand_of_them_in_order)
{
    cr_expect_eq(common_password_count, 10000);
    for (size_t i = 1; i < common_password_count; i++)
        cr_assert_lt(strcmp(common_passwords[i - 1], common_passwords[i]), 0);
    for (size_t i = 0; i < common_password_count; i++)
        cr_assert_not(is_uncommon_password(common_passwords[i]), "%s", common_passwords[i]);
}

Test(signup, counts_characters_of_a_password)
{
    char long_enough[128 * 2 + 1] = "", too_long[129 * 2 + 1] = "";
    for (int i = 0; i < 128; i++)
        strcat(long_enough, "ü");
    for (int i = 0; i < 129; i++)
        strcat(too_long, "ü");
    const struct {
        const char *password;
        int status;
    } cases[] = {
        { "1234567", 400 }, { "1234567x", 201 }, { "üüüüüüü", 400 }, { long_enough, 201 }, { too_long, 400 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(sign_up(format("p%zu@example.com", i), cases[i].password, "").status, cases[i].status, "case %zu",
                     i);
}

Test(signup, refuses_what_is_no_web_address)
{
    const char *const urls[] = { "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "ftp://x.test/a",
                                 "file:///etc/passwd",  "//x.test/a",          "https://",         "x" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct answer answer = sign_up(format("u%zu@example.com", i), "correct horse",
                                       format(",\"profilePicUrl\":\"%s\"", urls[i]));
        cr_expect_eq(answer.status, 400, "%s", urls[i]);
        cr_expect(has_violation(&answer, "profilePicUrl", "url"), "%s", answer.text);
    }
}

Test(signup, takes_no_address_twice)
{
    const char *const spellings[] = { "zo\\u00eb@example.com", "ZO\\u00cb@EXAMPLE.COM", "zoe\\u0308@Example.com" };
    cr_assert_eq(sign_up(spellings[0], "correct horse", "").status, 201);
    for (size_t i = 0; i < 3; i++) {
        struct answer answer = sign_up(spellings[i], "other password", "");
        cr_expect_eq(answer.status, 409, "%s", answer.text);
        cr_expect_null(json_at(answer.body, "errors"));
    }
}

static void sign_up_same(void *self, size_t number)
{
    int *statuses = self;
    statuses[number] = sign_up("same@example.com", "correct horse", "").status;
}

Test(signup, fifty_at_once_make_one_account)
{
    int statuses[50], made = 0, taken = 0;
    at_once(50, sign_up_same, statuses);
    for (size_t i = 0; i < 50; i++) {
        made += statuses[i] == 201;
        taken += statuses[i] == 409;
    }
    cr_expect_eq(made, 1);
    cr_expect_eq(taken, 49);
    struct page page;
    cr_assert(user_store_page(&fixture.ctx, fixture.store, &(struct user_filter){ 0 }, 100, NULL, &page));
    cr_expect_eq(page.count, 1);
}

Test(signup, says_so_when_the_store_is_away)
{
    struct answer answer = CALL(POST, "/signup/basic",
                                "{\"email\":\"a@example.com\",\"password\":\"correct horse\",\"name\":\"Ann\"}",
                                .late = true);
    cr_expect_eq(answer.status, 503, "%s", answer.text);
}

Test(signup, refuses_bodies_that_are_none)
{
    const char *const bodies[] = { "", "[]", "{", "null", "{\"email\":1,\"password\":[],\"name\":{}}" };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        cr_expect_eq(CALL(POST, "/signup/basic", bodies[i]).status, 400, "%s", bodies[i]);
}
