#include "auth_fixture.h"
#include "base/text.h"

TestSuite(profile, .init = auth_start, .fini = auth_stop, .timeout = 60);

Test(profile, shows_oneself)
{
    struct person ann = signup("ann");
    struct answer answer = CALL(GET, "/profile/mine", .token = ann.access);
    cr_assert_eq(answer.status, 200);
    cr_expect_str_eq(text_at(answer.data, "id"), ann.id);
    cr_expect_str_eq(text_at(answer.data, "email"), "ann@example.com");
    cr_expect_str_eq(text_at(answer.data, "locale"), "en");
    cr_expect(json_is_null(json_at(answer.data, "profilePicUrl")));
    cr_expect_str_eq(text_at(answer.data, "roles.0.code"), "LISTENER");
    cr_expect_null(json_at(answer.data, "password"));
}

static struct answer change(const struct person *person, const char *body)
{
    return CALL(PATCH, "/profile/mine", body, .token = person->access);
}

Test(profile, changes_what_is_given_and_nothing_else)
{
    struct person ann = signup("ann");
    struct answer answer = change(&ann, "{\"name\":\"Ann B\"}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.data, "name"), "Ann B");
    cr_expect_str_eq(text_at(answer.data, "locale"), "en");
    answer = change(&ann, "{\"profilePicUrl\":\"http://x.test/a.png\",\"locale\":\"de\"}");
    cr_expect_str_eq(text_at(answer.data, "name"), "Ann B");
    cr_expect_str_eq(text_at(answer.data, "profilePicUrl"), "http://x.test/a.png");
    answer = change(&ann, "{}");
    cr_expect_eq(answer.status, 200);
    answer = change(&ann, "{\"profilePicUrl\":\"\"}");
    cr_expect(json_is_null(json_at(answer.data, "profilePicUrl")), "%s", answer.text);
    answer = CALL(GET, "/profile/mine", .token = ann.access);
    cr_expect_str_eq(text_at(answer.data, "name"), "Ann B");
    cr_expect_str_eq(text_at(answer.data, "locale"), "de");
}

Test(profile, refuses_what_is_not_valid)
{
    struct person ann = signup("ann");
    struct answer answer = change(&ann, "{\"name\":\"A\",\"profilePicUrl\":\"javascript:alert(1)\",\"locale\":\"xx\"}");
    cr_assert_eq(answer.status, 400);
    cr_expect(has_violation(&answer, "name", "min"));
    cr_expect(has_violation(&answer, "profilePicUrl", "url"));
    cr_expect(has_violation(&answer, "locale", "pattern"), "%s", answer.text);
    cr_expect_str_eq(text_at(CALL(GET, "/profile/mine", .token = ann.access).data, "name"), "ann");
}

/* Nobody raises themselves, or moves to another's address. */
Test(profile, leaves_alone_what_is_not_ones_own_to_change)
{
    struct person ann = signup("ann");
    change(&ann, "{\"roles\":[\"ADMIN\"],\"status\":\"ACTIVE\",\"email\":\"x@example.com\",\"id\":\"1\"}");
    struct answer answer = CALL(GET, "/profile/mine", .token = ann.access);
    cr_expect_str_eq(text_at(answer.data, "email"), "ann@example.com");
    cr_expect_str_eq(text_at(answer.data, "id"), ann.id);
    cr_expect_eq(json_array_size(json_at(answer.data, "roles")), 1);
}

Test(profile, of_others_tells_little)
{
    struct person ann = signup("ann");
    struct answer answer = CALL(GET, format("/profile/id/%s", ann.id));
    cr_assert_eq(answer.status, 200);
    cr_expect_str_eq(text_at(answer.data, "id"), ann.id);
    cr_expect_str_eq(text_at(answer.data, "name"), "ann");
    cr_expect_eq(json_object_size(answer.data), 3, "%s", answer.text);
    const char *const ids[] = { "000000000000000000000000", "nothing", "%00", "../x" };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        cr_expect_eq(CALL(GET, format("/profile/id/%s", ids[i])).status, 404, "%s", ids[i]);
    cr_expect_eq(CALL(GET, format("/profile/id/%s", ann.id), .late = true).status, 503);
}

Test(profile, is_told_to_other_services)
{
    struct person ann = signup("ann"), bob = signup("bob");
    struct answer one = call_subject("auth.profile.user", format("{\"id\":\"%s\"}", ann.id), false);
    cr_assert_eq(one.status, 200);
    cr_expect_str_eq(text_at(one.body, "id"), ann.id);
    cr_expect_str_eq(text_at(one.body, "name"), "ann");
    cr_expect_null(json_at(one.body, "email"));
    cr_expect_eq(call_subject("auth.profile.user", "{\"id\":\"nothing\"}", false).status, 404);
    cr_expect_eq(call_subject("auth.profile.user", "{}", false).status, 400);
    cr_expect_eq(call_subject("auth.profile.user", format("{\"id\":\"%s\"}", ann.id), true).status, 503);

    struct answer two = call_subject(
        "auth.profile.users",
        format("{\"ids\":[\"%s\",\"nothing\",\"000000000000000000000000\",\"%s\"]}", bob.id, ann.id), false);
    cr_assert_eq(json_array_size(json_at(two.body, "users")), 2, "%s", two.text);
    cr_expect_str_eq(text_at(two.body, "users.0.id"), bob.id);
    cr_expect_str_eq(text_at(two.body, "users.1.id"), ann.id);
}

static void rename_one(void *self, size_t number)
{
    change(self, format("{\"name\":\"name %zu\"}", number));
}

Test(profile, loses_no_change_when_several_come_at_once)
{
    struct person ann = signup("ann");
    at_once(10, rename_one, &ann);
    cr_expect_eq(user_get(&fixture.ctx, &fixture.parts.users, ann.id)->user_version, 11);
}
