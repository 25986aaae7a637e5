/* What the claims of a trusted issuer's tokens make of an account: its roles, its address. */
#include "base/text.h"
#include "foreign_fixture.h"
#include "user/user_store.h"

#include <string.h>

TestSuite(foreign_roles, .init = foreign_setup, .fini = foreign_teardown, .timeout = 120);

static int issued; /* seconds before now, fewer with each token: the newest is the last */

/* "A,B" as it is told of a token of this subject with this claim ("" = none). */
static const char *roles_with(const char *subject, const char *roles, int64_t issued_at)
{
    const char *wish = format("{\"claims\":{\"sub\":\"%s\",\"iat\":%lld%s%s}}", subject, (long long)issued_at,
                              *roles ? ",\"realm\":" : "", *roles ? format("{\"roles\":%s}", roles) : "");
    struct answer answer = validate(foreign_token(wish));
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    const char *codes = "";
    size_t i;
    json_t *role;
    json_array_foreach(json_object_get(answer.body, "roles"), i, role)
        codes = format("%s%s%s", codes, i ? "," : "", text_at(role, "code"));
    return codes;
}

static const char *roles_of(const char *roles)
{
    return roles_with("ann", roles, clock_now_ms() / 1000 - 100000 + ++issued);
}

Test(foreign_roles, the_claim_of_the_newest_token_decides)
{
    cr_expect_str_eq(roles_of(""), "LISTENER");
    cr_expect_str_eq(roles_of("[\"EDITOR\"]"), "EDITOR");
    cr_expect_str_eq(roles_of(""), "EDITOR", "a token without the claim changes nothing");
    cr_expect_str_eq(roles_of("[\"ARTIST\",\"LISTENER\",\"ARTIST\"]"), "ARTIST,LISTENER");
    cr_expect_str_eq(roles_of("\"EDITOR LISTENER\""), "EDITOR,LISTENER", "one text, as scope is");
    cr_expect_str_eq(roles_of("[]"), "LISTENER", "whoever has none listens");
    cr_expect_str_eq(roles_of("{\"EDITOR\":1}"), "LISTENER", "no list is no claim");
    cr_expect_str_eq(roles_of("[7,null,[\"EDITOR\"]]"), "LISTENER");
}

Test(foreign_roles, an_older_token_changes_nothing)
{
    int64_t now = clock_now_ms() / 1000;
    cr_expect_str_eq(roles_with("ann", "[\"LISTENER\"]", now - 50), "LISTENER");
    cr_expect_str_eq(roles_with("ann", "[\"LISTENER\"]", now - 30), "LISTENER");
    cr_expect_str_eq(roles_with("ann", "[\"EDITOR\"]", now - 40), "LISTENER", "between two that say the same");
    cr_expect_str_eq(roles_with("ann", "[\"EDITOR\"]", now - 20), "EDITOR");
    cr_expect_str_eq(roles_with("ann", "[\"ARTIST\"]", now - 25), "EDITOR");
}

Test(foreign_roles, what_is_no_role_and_what_may_not_be_given_is_passed_over)
{
    cr_expect_str_eq(roles_of("[\"EDITOR\",\"NOBODY\",\"editor\",\"\"]"), "EDITOR");
    cr_expect_str_eq(roles_of("[\"NOBODY\"]"), "LISTENER");
    cr_expect_str_eq(roles_of("[\"ADMIN\",\"ARTIST\"]"), "ARTIST", "ADMIN is not in AUTH_TRUSTED_ROLES");
}

Test(foreign_roles, what_was_given_here_and_is_not_theirs_to_take_stays)
{
    struct person root = admin();
    roles_of("[\"EDITOR\"]");
    struct user *user = user_find_linked(&fixture.ctx, &fixture.parts.users, foreign_link("ann"));
    cr_assert(user);
    const char *path = format("/users/%s/roles", user->doc.id);
    cr_assert_eq(CALL(PUT, path, "{\"roles\":[\"ADMIN\",\"EDITOR\"]}", .token = root.access).status, 200);
    cr_expect_str_eq(roles_of("[\"ARTIST\"]"), "ADMIN,ARTIST");
    cr_expect_str_eq(roles_of("[]"), "ADMIN");
}

Test(foreign_roles, they_hold_wherever_roles_are_asked_for)
{
    roles_of("[\"EDITOR\"]");
    struct user *user = user_find_linked(&fixture.ctx, &fixture.parts.users, foreign_link("ann"));
    cr_assert(user);
    const char *question = format("{\"userId\":\"%s\",\"roles\":[\"EDITOR\"]}", user->doc.id);
    cr_expect(json_is_true(json_at(call_subject("auth.validate.role", question, false).body, "hasRole")));
    roles_of("[\"ARTIST\"]");
    cr_expect_not(json_is_true(json_at(call_subject("auth.validate.role", question, false).body, "hasRole")));
}

/* The user that a token with these claims opens. */
static const struct user *user_with(const char *claims)
{
    struct answer answer = validate(foreign_token(format("{\"claims\":{%s}}", claims)));
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, text_at(answer.body, "user.id"));
    cr_assert(user);
    return user;
}

Test(foreign_roles, an_address_counts_only_where_it_is_verified)
{
    struct person ann = signup("ann");
    const struct user *user = user_with("\"sub\":\"1\",\"email\":\"ann@example.com\"");
    cr_expect_str_neq(user->doc.id, ann.id, "nobody says that it is theirs");
    cr_expect(text_ends(user->email, "@unknown.invalid"), "%s", user->email);
    cr_expect_eq(user->verified_at, 0);
    user = user_with("\"sub\":\"2\",\"email\":\"ann@example.com\",\"email_verified\":false");
    cr_expect_str_neq(user->doc.id, ann.id);
    user = user_with("\"sub\":\"3\",\"email\":\"bob@example.com\",\"email_verified\":true");
    cr_expect_str_eq(user->email, "bob@example.com");
    cr_expect_neq(user->verified_at, 0);
    user = user_with("\"sub\":\"4\",\"email\":\"ann@example.com\",\"email_verified\":true");
    cr_expect_str_eq(user->doc.id, ann.id, "linked");
    cr_expect_null(user->password, "whoever signed up by it had not shown that it was theirs");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
}
