/* Roles as documents: what each may, who changes them, and that a change holds at once. */
#include "auth_fixture.h"
#include "base/text.h"
#include "role/role_store.h"
#include "user/user_store.h"

#include <string.h>

TestSuite(roles, .init = auth_start, .fini = auth_stop, .timeout = 120);

static struct answer change(const struct person *by, const char *code, const char *permissions, const char *status)
{
    return CALL(PUT, format("/roles/%s", code), format("{\"permissions\":%s,\"status\":\"%s\"}", permissions, status),
                .token = by->access);
}

static struct answer create(const struct person *by, const char *code, const char *permissions)
{
    return CALL(POST, "/roles", format("{\"code\":\"%s\",\"permissions\":%s}", code, permissions), .token = by->access);
}

static void give(const struct person *to, const char *code)
{
    cr_assert(user_set_roles(&fixture.ctx, &fixture.parts.users, to->id, &(struct list){ &code, 1 }));
}

static bool may(const struct person *person, const char *names)
{
    struct answer answer = call_subject("auth.validate.role",
                                        format("{\"userId\":\"%s\",\"roles\":%s}", person->id, names), false);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    return json_is_true(json_at(answer.body, "hasRole"));
}

static int64_t version(void)
{
    int64_t out;
    cr_assert(role_store_version(&fixture.ctx, fixture.store, &out));
    return out;
}

Test(roles, four_are_there_from_the_beginning)
{
    struct person root = admin();
    struct answer answer = CALL(GET, "/roles", .token = root.access);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    const char *const wanted[][2] = {
        { "LISTENER", NULL }, { "ARTIST", "track:write" }, { "EDITOR", "track:publish" }, { "ADMIN", NULL }
    };
    cr_assert_eq(json_array_size(answer.data), 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(text_at(answer.data, format("%zu.code", i)), wanted[i][0]);
        cr_expect_str_eq(text_at(answer.data, format("%zu.status", i)), "ACTIVE");
        cr_expect(text_equal(text_at(answer.data, format("%zu.permissions.0", i)), wanted[i][1]), "%s", answer.text);
    }
}

/* Whoever has a role that may; ADMIN may all. */
Test(roles, a_permission_is_asked_for_as_a_role_is)
{
    struct person root = admin(), ann = signup("ann"), bob = signup("bob");
    give(&ann, "EDITOR");
    cr_expect(may(&ann, "[\"track:publish\"]"));
    cr_expect(may(&ann, "[\"nothing:known\",\"track:publish\"]"));
    cr_expect(may(&root, "[\"track:publish\"]"));
    cr_expect(may(&root, "[\"nothing:known\"]"));
    cr_expect_not(may(&ann, "[\"track:write\"]"));
    cr_expect_not(may(&bob, "[\"track:publish\"]"));
    cr_expect_not(may(&bob, "[\"publish\",\"track\",\":\",\"track:\"]"));
    struct caller caller = { .roles = (const char *const[]){ "EDITOR", NULL } };
    struct authority *authority = &fixture.parts.authority;
    cr_expect(authority->role(&fixture.ctx, authority->self, &caller, (const char *const[]){ "track:publish", NULL }));
    cr_expect_not(authority->role(&fixture.ctx, authority->self, &caller, (const char *const[]){ "track:x", NULL }));
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_FORBIDDEN));
}

Test(roles, are_made_and_changed_by_an_administrator_and_hold_at_once)
{
    struct person root = admin(), ann = signup("ann");
    struct answer answer = create(&root, "CURATOR", "[\"track:publish\"]");
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.data, "code"), "CURATOR");
    cr_expect_eq(create(&root, "CURATOR", "[]").status, 409);
    give(&ann, "CURATOR");
    cr_expect(may(&ann, "[\"track:publish\"]"));

    cr_expect_eq(change(&root, "CURATOR", "[\"track:praise\"]", "ACTIVE").status, 200);
    cr_expect_not(may(&ann, "[\"track:publish\"]"));
    cr_expect(may(&ann, "[\"track:praise\"]"));
    cr_expect(may(&ann, "[\"CURATOR\"]"));

    cr_expect_eq(change(&root, "CURATOR", "[\"track:praise\"]", "DISABLED").status, 200);
    cr_expect_not(may(&ann, "[\"track:praise\"]"));
    cr_expect_not(may(&ann, "[\"CURATOR\"]"), "a disabled role counts for nobody");
    cr_expect_eq(json_array_size(json_at(CALL(GET, "/profile/mine", .token = ann.access).data, "roles")), 0);

    cr_expect_eq(change(&root, "CURATOR", "[\"track:praise\"]", "ACTIVE").status, 200);
    cr_expect(may(&ann, "[\"track:praise\"]"));
}

Test(roles, are_for_administrators_and_well_formed)
{
    struct person root = admin(), ann = signup("ann");
    cr_expect_eq(CALL(GET, "/roles", .token = ann.access).status, 403);
    cr_expect_eq(create(&ann, "KING", "[]").status, 403);
    cr_expect_eq(change(&ann, "LISTENER", "[\"track:publish\"]", "ACTIVE").status, 403);
    const char *const codes[] = { "", "king", "K", "1KING", "KING-MAKER", "A:B" };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        cr_expect_eq(create(&root, codes[i], "[]").status, 400, "%s", codes[i]);
    const char *const permissions[] = { "[\"publish\"]", "[\"track:\"]", "[\":x\"]",          "[\"Track:publish\"]",
                                        "[\"a:b:c\"]",   "[1]",          "\"track:publish\"", "null" };
    for (size_t i = 0; i < sizeof permissions / sizeof *permissions; i++)
        cr_expect_eq(change(&root, "EDITOR", permissions[i], "ACTIVE").status, 400, "%s", permissions[i]);
    cr_expect_eq(change(&root, "EDITOR", "[]", "GONE").status, 400);
    cr_expect_eq(CALL(PUT, "/roles/EDITOR", "{\"status\":\"ACTIVE\"}", .token = root.access).status, 400);
    cr_expect_eq(change(&root, "NOBODY", "[]", "ACTIVE").status, 404);
    cr_expect_eq(change(&root, "ADMIN", "[]", "DISABLED").status, 409);
    cr_expect_eq(change(&root, "LISTENER", "[]", "DISABLED").status, 409);
    cr_expect_eq(change(&root, "LISTENER", "[\"track:praise\"]", "ACTIVE").status, 200);
    cr_expect(may(&ann, "[\"track:praise\"]"));
}

/* A PUT may be sent again; and the version that is told rises with every change, never falls. */
Test(roles, have_one_version_that_rises)
{
    struct person root = admin(), ann = signup("ann");
    int64_t before = version();
    cr_expect_eq(change(&root, "EDITOR", "[\"track:publish\"]", "ACTIVE").status, 200);
    cr_expect_eq(version(), before, "it was so already");
    cr_expect_eq(change(&root, "EDITOR", "[]", "ACTIVE").status, 200);
    int64_t after = version();
    cr_expect_gt(after, before);
    cr_expect(feed_roles_newer(fixture.feed, before), "known here at once");
    struct answer answer = call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", ann.access), false);
    cr_expect_geq(json_integer_value(json_at(answer.body, "rolesVersion")), after);
    cr_expect_eq(create(&root, "CURATOR", "[]").status, 201);
    cr_expect_gt(version(), after);
}

/* Bounded: all of them are read at once. */
Test(roles, are_at_most_so_many)
{
    struct person root = admin();
    for (int i = 4; i < ROLES_MAX; i++)
        cr_assert_eq(create(&root, format("R%d", i), "[]").status, 201);
    cr_expect_eq(create(&root, "STRAW", "[]").status, 409);
}

/* Another replica, which nobody has told: it looks again within a second. */
Test(roles, of_another_replica_are_seen_within_a_second)
{
    struct person root = admin();
    struct roles *other = roles_create(fixture.store, NULL);
    const char *const editor[] = { "EDITOR", NULL }, *const publish[] = { "track:publish", NULL };
    cr_expect_eq(roles_reach(&fixture.ctx, other, editor, publish), REACH_YES);
    cr_expect_eq(change(&root, "EDITOR", "[]", "ACTIVE").status, 200);
    int64_t until = clock_ms() + 30000;
    while (roles_reach(&fixture.ctx, other, editor, publish) == REACH_YES && clock_ms() < until)
        continue;
    cr_expect_eq(roles_reach(&fixture.ctx, other, editor, publish), REACH_NO);
    roles_destroy(other);
}

static struct answer set_roles(const struct person *by, const char *id, const char *codes)
{
    return CALL(PUT, format("/users/%s/roles", id), format("{\"roles\":%s}", codes), .token = by->access);
}

/* Who has it keeps it, without effect, and sees it again when it is enabled; nobody else is given it. */
Test(roles, a_disabled_one_is_kept_and_given_to_nobody)
{
    struct person root = admin(), ann = signup("ann"), bob = signup("bob");
    cr_assert_eq(set_roles(&root, ann.id, "[\"LISTENER\",\"EDITOR\"]").status, 200);
    cr_assert_eq(change(&root, "EDITOR", "[\"track:publish\"]", "DISABLED").status, 200);

    struct answer refused = set_roles(&root, bob.id, "[\"LISTENER\",\"EDITOR\"]");
    cr_expect_eq(refused.status, 400);
    cr_expect(has_violation(&refused, "roles", "disabled"), "%s", refused.text);
    cr_expect_not(has_violation(&refused, "roles", "enum"));
    refused = set_roles(&root, bob.id, "[\"EDITOR\",\"KING\"]");
    cr_expect(has_violation(&refused, "roles", "disabled") && has_violation(&refused, "roles", "enum"), "%s",
              refused.text);
    cr_expect_not(may(&bob, "[\"EDITOR\",\"track:publish\"]"));

    struct answer kept = set_roles(&root, ann.id, "[\"LISTENER\",\"EDITOR\",\"ARTIST\"]");
    cr_assert_eq(kept.status, 200, "%s", kept.text);
    cr_expect_eq(json_array_size(json_at(kept.data, "roles")), 2);
    cr_expect_str_eq(text_at(kept.data, "disabledRoles.0.code"), "EDITOR");
    cr_expect_not(may(&ann, "[\"EDITOR\",\"track:publish\"]"), "without effect");
    cr_expect(may(&ann, "[\"ARTIST\"]"));
    const char *const editor[] = { "EDITOR", NULL }, *const publish[] = { "track:publish", NULL };
    cr_expect_eq(roles_reach(&fixture.ctx, fixture.parts.users.roles, editor, publish), REACH_NO,
                 "nor for who is remembered to have it");

    cr_assert_eq(change(&root, "EDITOR", "[\"track:publish\"]", "ACTIVE").status, 200);
    cr_expect(may(&ann, "[\"track:publish\"]"), "it was kept");
    cr_assert_eq(change(&root, "EDITOR", "[\"track:publish\"]", "DISABLED").status, 200);
    cr_assert_eq(set_roles(&root, ann.id, "[\"LISTENER\"]").status, 200);
    cr_expect_eq(set_roles(&root, ann.id, "[\"LISTENER\",\"EDITOR\"]").status, 400, "given back, it is gone");
}
