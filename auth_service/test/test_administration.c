#include "auth_fixture.h"
#include "base/text.h"
#include "store/outbox.h"

#include <string.h>

TestSuite(administration, .init = auth_start, .fini = auth_stop, .timeout = 60);

static struct answer put(const struct person *by, const char *id, const char *what, const char *body)
{
    return CALL(PUT, format("/users/%s/%s", id, what), body, .token = by->access);
}

Test(administration, is_for_administrators)
{
    struct person ann = signup("ann");
    const struct {
        enum method method;
        const char *path, *body;
    } calls[] = {
        { GET, "/users", NULL },
        { GET, "/apikeys", NULL },
        { POST, "/apikeys", "{\"name\":\"x\",\"scopes\":[\"GENERAL\"]}" },
        { DELETE, "/apikeys/000000000000000000000000", NULL },
        { PUT, format("/users/%s/roles", ann.id), "{\"roles\":[\"ADMIN\"]}" },
        { PUT, format("/users/%s/status", ann.id), "{\"status\":\"ACTIVE\"}" },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        cr_expect_eq(CALL(calls[i].method, calls[i].path, calls[i].body, .token = ann.access).status, 403, "%zu", i);
        cr_expect_eq(CALL(calls[i].method, calls[i].path, calls[i].body).status, 401, "%zu", i);
    }
}

Test(administration, gives_roles_that_count_at_once)
{
    struct person root = admin(), ann = signup("ann");
    struct answer answer = put(&root, ann.id, "roles", "{\"roles\":[\"ARTIST\",\"EDITOR\",\"ARTIST\"]}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_eq(json_array_size(json_at(answer.data, "roles")), 2);
    answer = CALL(GET, "/profile/mine", .token = ann.access);
    cr_expect_str_eq(text_at(answer.data, "roles.0.code"), "ARTIST");
    cr_expect_str_eq(text_at(answer.data, "roles.1.code"), "EDITOR");
    cr_expect_eq(put(&root, ann.id, "roles", "{\"roles\":[\"ADMIN\"]}").status, 200);
    cr_expect_eq(CALL(GET, "/users", .token = ann.access).status, 200);
    cr_expect_eq(put(&root, ann.id, "roles", "{\"roles\":[]}").status, 200);
    cr_expect_eq(CALL(GET, "/users", .token = ann.access).status, 403);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
}

static int64_t version_of(const struct person *person)
{
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, person->id);
    cr_assert_not_null(user);
    return user->user_version;
}

/* A PUT may be sent again when its answer was lost: nobody hears of it twice. */
Test(administration, what_is_so_already_is_no_change)
{
    struct person root = admin(), ann = signup("ann");
    static const char roles[] = "{\"roles\":[\"ARTIST\",\"EDITOR\"]}", active[] = "{\"status\":\"ACTIVE\"}";
    cr_expect_eq(put(&root, ann.id, "roles", roles).status, 200);
    int64_t version = version_of(&ann);
    cr_expect_eq(put(&root, ann.id, "roles", roles).status, 200);
    cr_expect_eq(put(&root, ann.id, "status", active).status, 200);
    cr_expect_eq(version_of(&ann), version);
    cr_expect_eq(put(&root, ann.id, "roles", "{\"roles\":[\"ARTIST\"]}").status, 200);
    cr_expect_eq(version_of(&ann), version + 1);
    cr_expect_eq(put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}").status, 200);
    cr_expect_eq(version_of(&ann), version + 2);
}

Test(administration, refuses_what_makes_no_sense)
{
    struct person root = admin(), ann = signup("ann");
    struct answer answer = put(&root, ann.id, "roles", "{\"roles\":[\"ARTIST\",\"KING\"]}");
    cr_expect_eq(answer.status, 400);
    cr_expect(has_violation(&answer, "roles", "enum"));
    cr_expect_eq(put(&root, ann.id, "roles", "{}").status, 400);
    cr_expect_eq(put(&root, ann.id, "status", "{\"status\":\"DEAD\"}").status, 400);
    cr_expect_eq(put(&root, ann.id, "status", "{}").status, 400);
    cr_expect_eq(put(&root, "nothing", "roles", "{\"roles\":[\"ARTIST\"]}").status, 404);
    cr_expect_eq(put(&root, "000000000000000000000000", "status", "{\"status\":\"ACTIVE\"}").status, 404);
    cr_expect_eq(put(&root, root.id, "roles", "{\"roles\":[\"ARTIST\"]}").status, 409);
    cr_expect_eq(put(&root, root.id, "status", "{\"status\":\"SUSPENDED\"}").status, 409);
    cr_expect_str_eq(text_at(CALL(GET, "/profile/mine", .token = ann.access).data, "roles.0.code"), "LISTENER");
}

Test(administration, suspends_and_restores)
{
    struct person root = admin(), ann = signup("ann");
    struct answer answer = put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.data, "status"), "SUSPENDED");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
    cr_expect_eq(refresh(ann.refresh).status, 401);
    cr_expect_eq(put(&root, ann.id, "status", "{\"status\":\"ACTIVE\"}").status, 200);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401, "what has ended stays so");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = signin("ann").access).status, 200);
}

Test(administration, lists_users_by_pages)
{
    struct person root = admin();
    for (int i = 0; i < 5; i++)
        signup(format("user%d", i));
    const char *cursor = NULL;
    size_t seen = 0;
    do {
        struct answer answer = CALL(GET, cursor ? format("/users?limit=2&cursor=%s", cursor) : "/users?limit=2",
                                    .token = root.access);
        cr_assert_eq(answer.status, 200, "%s", answer.text);
        seen += json_array_size(json_at(answer.data, "items"));
        cr_expect_not_null(text_at(answer.data, "items.0.email"));
        cr_expect_not_null(text_at(answer.data, "items.0.status"));
        cr_expect_null(json_at(answer.data, "items.0.password"));
        cursor = text_at(answer.data, "next");
    } while (cursor && seen < 100);
    cr_expect_eq(seen, 6);
    const char *const wrong[] = { "limit=0", "limit=101", "limit=x", "cursor=garbage" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_eq(CALL(GET, format("/users?%s", wrong[i]), .token = root.access).status, 400, "%s", wrong[i]);
}

static int64_t version(const char *id)
{
    return user_get(&fixture.ctx, &fixture.parts.users, id)->user_version;
}

Test(administration, raises_the_version_of_a_user)
{
    struct person root = admin(), ann = signup("ann");
    cr_expect_eq(version(ann.id), 1);
    put(&root, ann.id, "roles", "{\"roles\":[\"ARTIST\"]}");
    cr_expect_eq(version(ann.id), 2);
    CALL(PUT, "/password", "{\"current\":\"correct horse\",\"password\":\"battery staple\"}", .token = ann.access);
    cr_expect_eq(version(ann.id), 3);
    put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}");
    cr_expect_eq(version(ann.id), 4);
}

/* Its writes carry their events, which name nobody. */
Test(administration, tells_of_users_by_id)
{
    struct person root = admin(), ann = signup("ann");
    put(&root, ann.id, "roles", "{\"roles\":[\"ARTIST\"]}");
    struct outbox_event *events;
    size_t count, created = 0, changed = 0;
    cr_assert(outbox_read(&fixture.ctx, fixture.store, 100, &events, &count));
    for (size_t i = 0; i < count; i++) {
        cr_expect(text_starts(events[i].type, "event.otp.") || !strstr(events[i].json, "example.com"), "%s",
                  events[i].json); /* a code says where it goes, to notify alone */
        cr_expect_null(strstr(events[i].json, "argon2"), "%s", events[i].json);
        if (!strstr(events[i].json, ann.id))
            continue;
        created += text_equal(events[i].type, "event.user.created");
        changed += text_equal(events[i].type, "event.user.changed");
    }
    cr_expect_eq(created, 1);
    cr_expect_eq(changed, 1);
}

Test(administration, answers_about_roles)
{
    struct person root = admin(), ann = signup("ann");
    const struct {
        const char *user, *roles;
        bool has;
    } cases[] = {
        { ann.id, "[\"LISTENER\"]", true },
        { ann.id, "[\"ARTIST\"]", false },
        { ann.id, "[\"ARTIST\",\"LISTENER\"]", true },
        { ann.id, "[\"ADMIN\"]", false },
        { root.id, "[\"ARTIST\"]", true },
        { root.id, "[\"ADMIN\"]", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *body = format("{\"userId\":\"%s\",\"roles\":%s}", cases[i].user, cases[i].roles);
        struct answer answer = call_subject("auth.validate.role", body, false);
        cr_expect_eq(answer.status, 200);
        cr_expect_eq(json_is_true(json_at(answer.body, "hasRole")), cases[i].has, "%s", body);
        cr_expect_eq(call_subject("auth.validate.role", body, true).status, 503);
    }
    cr_expect_eq(call_subject("auth.validate.role", "{\"userId\":\"x\",\"roles\":[\"ADMIN\"]}", false).status, 404);
    cr_expect_eq(call_subject("auth.validate.role", "not json", false).status, 400);
    put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}");
    struct answer answer = call_subject("auth.validate.role",
                                        format("{\"userId\":\"%s\",\"roles\":[\"LISTENER\"]}", ann.id), false);
    cr_expect(json_is_false(json_at(answer.body, "hasRole")));
}

Test(administration, answers_about_tokens)
{
    struct person ann = signup("ann");
    struct answer answer = call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", ann.access), false);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.body, "user.id"), ann.id);
    cr_expect_str_eq(text_at(answer.body, "user.email"), "ann@example.com");
    cr_expect_str_eq(text_at(answer.body, "roles.0.code"), "LISTENER");
    cr_expect_not_null(text_at(answer.body, "roles.0.id"));
    cr_expect_str_eq(text_at(answer.body, "sessionId"), ann.session);
    cr_expect_eq(json_integer_value(json_at(answer.body, "userVersion")), 1);
    cr_expect_not_null(text_at(answer.body, "expiresAt"));
    cr_expect_eq(call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", ann.refresh), false).status,
                 401);
    cr_expect_eq(call_subject("auth.validate.token", "{\"accessToken\":\"\"}", false).status, 400);
    CALL(DELETE, "/signout", .token = ann.access);
    cr_expect_eq(call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", ann.access), false).status,
                 401);
}
