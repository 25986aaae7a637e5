#include "auth_fixture.h"
#include "base/text.h"
#include "session/session_store.h"

#include <string.h>

TestSuite(sessions, .init = auth_start, .fini = auth_stop, .timeout = 60);

static bool alive(const struct person *person)
{
    bool opens = CALL(GET, "/profile/mine", .token = person->access).status == 200;
    int refreshed = refresh(person->refresh).status;
    cr_expect_eq(refreshed, opens ? 200 : 401);
    return opens;
}

static bool opens(const struct person *person)
{
    return CALL(GET, "/profile/mine", .token = person->access).status == 200;
}

Test(sessions, sign_out_ends_this_one)
{
    struct person ann = signup("ann"), other = signin("ann");
    cr_expect_eq(CALL(DELETE, "/signout", .token = ann.access).status, 200);
    cr_expect_not(alive(&ann));
    cr_expect(alive(&other));
    cr_expect_eq(CALL(DELETE, "/signout", .token = ann.access).status, 401);
    cr_expect_eq(CALL(DELETE, "/logout", .token = other.access).status, 200);
    cr_expect_not(alive(&other));
}

Test(sessions, sign_out_ends_all)
{
    struct person ann = signup("ann"), other = signin("ann"), bob = signup("bob");
    cr_expect_eq(CALL(DELETE, "/signout?all=perhaps", .token = ann.access).status, 400);
    cr_expect(opens(&ann));
    cr_expect_eq(CALL(DELETE, "/signout?all=true", .token = ann.access).status, 200);
    cr_expect_not(alive(&ann));
    cr_expect_not(alive(&other));
    cr_expect(alive(&bob));
    struct person again = signin("ann");
    cr_expect(alive(&again));
}

Test(sessions, are_listed_for_their_user_alone)
{
    struct person ann = signup("ann"), other = signin("ann");
    signup("bob");
    struct answer list = CALL(GET, "/sessions", .token = other.access);
    cr_assert_eq(list.status, 200);
    cr_assert_eq(json_array_size(list.data), 2);
    cr_expect_str_eq(text_at(list.data, "0.device"), "Tests/1.0");
    cr_expect_str_eq(text_at(list.data, "0.address"), "192.0.2.7");
    cr_expect_not_null(text_at(list.data, "0.createdAt"));
    cr_expect_not_null(text_at(list.data, "0.lastUsedAt"));
    for (size_t i = 0; i < 2; i++) {
        json_t *one = json_array_get(list.data, i);
        bool current = text_equal(text_at(one, "id"), other.session);
        cr_expect(current || text_equal(text_at(one, "id"), ann.session));
        cr_expect_eq(json_is_true(json_at(one, "current")), current);
        cr_expect_null(json_at(one, "secretHash"));
    }
}

Test(sessions, are_ended_one_by_one)
{
    struct person ann = signup("ann"), other = signin("ann"), bob = signup("bob");
    const char *path = format("/sessions/%s", ann.session);
    cr_expect_eq(CALL(DELETE, path, .token = bob.access).status, 404);
    cr_expect(opens(&ann));
    cr_expect_eq(CALL(DELETE, "/sessions/nothing", .token = other.access).status, 404);
    cr_expect_eq(CALL(DELETE, "/sessions/000000000000000000000000", .token = other.access).status, 404);
    cr_expect_eq(CALL(DELETE, path, .token = other.access).status, 200);
    cr_expect_not(alive(&ann));
    cr_expect_eq(CALL(DELETE, path, .token = other.access).status, 404);
    cr_expect_eq(json_array_size(CALL(GET, "/sessions", .token = other.access).data), 1);
}

static struct answer change_password(const char *token, const char *current, const char *password)
{
    return CALL(PUT, "/password", format("{\"current\":\"%s\",\"password\":\"%s\"}", current, password),
                .token = token);
}

Test(sessions, a_new_password_ends_all_others)
{
    struct person ann = signup("ann"), other = signin("ann"), bob = signup("bob");
    cr_expect_eq(change_password(ann.access, "wrong horse", "battery staple").status, 401);
    cr_expect_eq(change_password(ann.access, "correct horse", "short").status, 400);
    cr_expect(opens(&other));
    cr_expect_eq(change_password(ann.access, "correct horse", "battery staple").status, 200);
    cr_expect(opens(&ann));
    cr_expect_not(alive(&other));
    cr_expect(opens(&bob));
    cr_expect(alive(&ann));
    cr_expect_eq(CALL(POST, "/signin/basic", "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}").status,
                 401);
    cr_expect_eq(CALL(POST, "/signin/basic", "{\"email\":\"ann@example.com\",\"password\":\"battery staple\"}").status,
                 200);
}

/* The one that was spared by a change of password is not spared by the next. */
Test(sessions, only_the_last_change_of_password_spares_one)
{
    struct person first = signup("ann"), second = signin("ann");
    cr_expect_eq(change_password(first.access, "correct horse", "battery staple").status, 200);
    cr_expect_not(opens(&second));
    second = person_of(json_at(
        CALL(POST, "/signin/basic", "{\"email\":\"ann@example.com\",\"password\":\"battery staple\"}").data, "tokens"));
    cr_expect(opens(&first));
    cr_expect_eq(change_password(second.access, "battery staple", "correct horse").status, 200);
    cr_expect_not(opens(&first));
    cr_expect(opens(&second));
    cr_expect_eq(CALL(DELETE, "/signout?all=true", .token = second.access).status, 200);
    cr_expect_not(opens(&second));
}

struct change_storm {
    struct person people[8];
    int statuses[8];
};

static void change_one(void *self, size_t number)
{
    struct change_storm *storm = self;
    storm->statuses[number] =
        change_password(storm->people[number].access, "correct horse", format("new password %zu", number)).status;
}

/* Eight devices change the password at once: one does, and only its session lives. */
Test(sessions, of_several_changes_at_once_one_wins)
{
    struct change_storm storm;
    storm.people[0] = signup("ann");
    for (size_t i = 1; i < 8; i++)
        storm.people[i] = signin("ann");
    at_once(8, change_one, &storm);
    size_t won = 0;
    for (size_t i = 0; i < 8; i++) {
        won += storm.statuses[i] == 200;
        cr_expect_eq(opens(&storm.people[i]), storm.statuses[i] == 200, "%zu: %d", i, storm.statuses[i]);
    }
    cr_expect_eq(won, 1);
}

Test(sessions, that_have_expired_are_swept)
{
    struct person ann = signup("ann"), other = signin("ann");
    struct session *session = session_store_get(&fixture.ctx, fixture.store, ann.session);
    session->expires_at = clock_now_ms() - 1;
    cr_assert(session_store_change(&fixture.ctx, fixture.store, session));
    cr_expect_not(opens(&ann));
    cr_assert(session_sweep(&fixture.ctx, &fixture.parts.sessions));
    fixture.ctx.deadline_ms = 0;
    cr_expect_null(session_store_get(&fixture.ctx, fixture.store, ann.session));
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND));
    cr_expect(opens(&other));
}

Test(sessions, an_outage_is_not_the_end_of_one)
{
    struct person ann = signup("ann");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access, .late = true).status, 503);
    cr_expect_eq(CALL(DELETE, "/signout", .token = ann.access, .late = true).status, 503);
    cr_expect_eq(CALL(GET, "/sessions", .token = ann.access, .late = true).status, 503);
    cr_expect(opens(&ann));
}
