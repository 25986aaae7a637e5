/* An account that is deleted: nothing is left that tells whose it was. */
#include "auth_fixture.h"
#include "base/text.h"
#include "session/session_store.h"
#include "store/outbox.h"
#include "user/user_store.h"

#include <string.h>

TestSuite(deletion, .init = auth_start, .fini = auth_stop, .timeout = 120);

static int delete_mine(const struct person *person, const char *password)
{
    return CALL(POST, "/profile/mine/delete", format("{\"password\":\"%s\"}", password), .token = person->access)
        .status;
}

static int delete_by(const struct person *by, const char *id)
{
    return CALL(DELETE, format("/users/%s", id), .token = by->access).status;
}

static const struct user *stored(const char *id)
{
    struct user *user = user_store_get(&fixture.ctx, fixture.store, id);
    cr_assert_not_null(user);
    return user;
}

Test(deletion, leaves_nothing_that_tells_whose_it_was)
{
    struct person ann = signup("ann"), other = signin("ann");
    CALL(PATCH, "/profile/mine", "{\"profilePicUrl\":\"https://example.com/ann.png\"}", .token = ann.access);
    cr_expect_eq(delete_mine(&ann, "correct horse"), 200);
    const struct user *left = stored(ann.id);
    cr_expect_null(strstr(left->email, "ann"), "%s", left->email);
    cr_expect_null(strstr(left->email_key, "ann"));
    cr_expect_str_eq(left->name, "deleted");
    cr_expect_null(left->picture);
    cr_expect_null(left->locale);
    cr_expect_null(left->password);
    cr_expect_eq(left->roles.count, 0);
    cr_expect_eq(left->status, USER_DELETED);

    const struct person *const both[] = { &ann, &other };
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq(CALL(GET, "/profile/mine", .token = both[i]->access).status, 401);
        cr_expect_eq(refresh(both[i]->refresh).status, 401);
    }
    cr_expect_eq(CALL(GET, format("/profile/id/%s", ann.id)).status, 404);
    cr_expect_eq(call_subject("auth.profile.user", format("{\"id\":\"%s\"}", ann.id), false).status, 404);
    struct answer roles = call_subject("auth.validate.role",
                                       format("{\"userId\":\"%s\",\"roles\":[\"LISTENER\"]}", ann.id), false);
    cr_expect_eq(roles.status, 404);
}

/* Their documents hold an address and a device: they go once everybody is told, which is when NATS is there. */
Test(deletion, ends_the_sessions_with_all_they_hold)
{
    struct person ann = signup("ann");
    cr_expect_eq(delete_mine(&ann, "correct horse"), 200);
    struct untold *left;
    size_t count;
    cr_assert(session_announced.pending(&fixture.ctx, fixture.store, clock_now_ms(), &left, &count));
    cr_assert_eq(count, 1);
    cr_expect_str_eq(left[0].id, ann.session);
    cr_assert(session_announced.settle(&fixture.ctx, fixture.store, &left[0]));
    cr_expect_null(session_store_get(&fixture.ctx, fixture.store, ann.session));
    ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND);
}

Test(deletion, frees_the_address)
{
    struct person ann = signup("ann");
    cr_expect_eq(delete_mine(&ann, "correct horse"), 200);
    static const char body[] = "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}";
    cr_expect_eq(CALL(POST, "/signin/basic", body).status, 401);
    struct person again = signup("ann");
    cr_expect_str_neq(again.id, ann.id);
    cr_expect_eq(delete_mine(&again, "correct horse"), 200, "and once more");
}

Test(deletion, wants_the_password)
{
    struct person ann = signup("ann");
    cr_expect_eq(delete_mine(&ann, "another horse"), 401);
    cr_expect_eq(CALL(POST, "/profile/mine/delete", "{}", .token = ann.access).status, 401);
    cr_expect_eq(CALL(POST, "/profile/mine/delete", "{\"password\":\"correct horse\"}").status, 401);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
}

Test(deletion, by_an_administrator)
{
    struct person root = admin(), ann = signup("ann"), bob = signup("bob");
    cr_expect_eq(delete_by(&bob, ann.id), 403);
    cr_expect_eq(delete_by(&root, root.id), 409);
    cr_expect_eq(delete_mine(&root, "correct horse"), 409, "somebody must be left who may");
    cr_expect_eq(delete_by(&root, ann.id), 200);
    cr_expect_eq(delete_by(&root, ann.id), 404, "it is gone");
    cr_expect_eq(delete_by(&root, "nothing"), 404);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
    const char *roles = format("/users/%s/roles", ann.id), *status = format("/users/%s/status", ann.id);
    cr_expect_eq(CALL(PUT, roles, "{\"roles\":[\"ARTIST\"]}", .token = root.access).status, 404);
    cr_expect_eq(CALL(PUT, status, "{\"status\":\"ACTIVE\"}", .token = root.access).status, 404);
    cr_expect_eq(CALL(PUT, format("/users/%s/status", bob.id), "{\"status\":\"DELETED\"}", .token = root.access).status,
                 400);
    struct answer answer = CALL(GET, "/users?status=DELETED", .token = root.access);
    cr_expect_eq(json_array_size(json_at(answer.data, "items")), 1);
    cr_expect_str_eq(text_at(answer.data, "items.0.id"), ann.id);
}

/* Those who hold something of theirs hear of it; by id. */
Test(deletion, is_told_of)
{
    struct person ann = signup("ann");
    cr_expect_eq(delete_mine(&ann, "correct horse"), 200);
    struct outbox_event *events;
    size_t count, told = 0;
    cr_assert(outbox_read(&fixture.ctx, fixture.store, 100, &events, &count));
    for (size_t i = 0; i < count; i++) {
        if (!text_starts(events[i].type, "event.otp.")) /* a letter under way: ten minutes, for notify alone */
            cr_expect_null(strstr(events[i].json, "example.com"), "%s", events[i].json);
        told += text_equal(events[i].type, "event.user.deleted") && strstr(events[i].json, ann.id);
    }
    cr_expect_eq(told, 1);
    cr_expect(feed_revoked(fixture.feed, CHANGED_USER, ann.id, 1));
}
