#include "auth_fixture.h"
#include "base/text.h"
#include "session/session_store.h"
#include "user/user_store.h"

#include <string.h>

TestSuite(refresh, .init = auth_start, .fini = auth_stop, .timeout = 60);

static bool alive(const struct person *person)
{
    return CALL(GET, "/profile/mine", .token = person->access).status == 200;
}

static struct session *stored(const struct person *person)
{
    struct session *session = session_store_get(&fixture.ctx, fixture.store, person->session);
    if (!session)
        ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND);
    return session;
}

/* As if its last rotation had been so long ago. */
static void age(const struct person *person, int64_t ms)
{
    struct session *session = stored(person);
    session->rotated_at -= ms;
    session->expires_at -= ms;
    cr_assert(session_store_change(&fixture.ctx, fixture.store, session));
}

Test(refresh, gives_the_next_tokens)
{
    struct person ann = signup("ann");
    struct answer answer = refresh(ann.refresh);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    struct person next = person_of(answer.data);
    cr_expect_str_eq(next.id, ann.id);
    cr_expect_str_eq(next.session, ann.session);
    cr_expect_str_neq(next.refresh, ann.refresh);
    cr_expect_not_null(text_at(answer.data, "idToken"));
    cr_expect(alive(&next));
    cr_expect(alive(&ann));
    cr_expect_eq(refresh(next.refresh).status, 200);
}

Test(refresh, repeats_the_same_successor_for_ten_seconds)
{
    struct person ann = signup("ann");
    const char *successor = text_at(refresh(ann.refresh).data, "refreshToken");
    age(&ann, 9000);
    struct answer again = refresh(ann.refresh);
    cr_assert_eq(again.status, 200);
    cr_expect_str_eq(text_at(again.data, "refreshToken"), successor);
    cr_expect_eq(stored(&ann)->generation, 2);
    cr_expect(alive(&ann));
}

Test(refresh, ends_the_session_for_a_late_predecessor)
{
    struct person ann = signup("ann");
    const char *successor = text_at(refresh(ann.refresh).data, "refreshToken");
    age(&ann, 10500);
    cr_expect_eq(refresh(ann.refresh).status, 401);
    cr_expect_not(alive(&ann));
    cr_expect_eq(refresh(successor).status, 401);
}

Test(refresh, ends_the_session_for_a_predecessor_whose_successor_was_used)
{
    struct person ann = signup("ann");
    const char *second = text_at(refresh(ann.refresh).data, "refreshToken");
    const char *third = text_at(refresh(second).data, "refreshToken");
    cr_expect_eq(refresh(ann.refresh).status, 401);
    cr_expect_not(alive(&ann));
    cr_expect_eq(refresh(third).status, 401);
    const struct session *session = stored(&ann);
    cr_expect(!session || session->revoked_at);
}

struct storm {
    const char *token;
    struct answer answers[20];
};

static void refresh_same(void *self, size_t number)
{
    struct storm *storm = self;
    storm->answers[number] = refresh(storm->token);
}

Test(refresh, twenty_at_once_get_one_successor)
{
    struct person ann = signup("ann");
    struct storm storm = { .token = ann.refresh };
    for (int round = 0; round < 5; round++) {
        at_once(20, refresh_same, &storm);
        for (size_t i = 0; i < 20; i++) {
            cr_assert_eq(storm.answers[i].status, 200, "%s", storm.answers[i].text);
            cr_expect_str_eq(text_at(storm.answers[i].data, "refreshToken"),
                             text_at(storm.answers[0].data, "refreshToken"));
        }
        storm.token = text_at(storm.answers[0].data, "refreshToken");
    }
    cr_expect_eq(stored(&ann)->generation, 6);
    cr_expect(alive(&ann));
}

Test(refresh, is_not_ended_by_who_only_guesses)
{
    struct person ann = signup("ann"), bob = signup("bob");
    const char *second = text_at(refresh(ann.refresh).data, "refreshToken");
    text_at(refresh(second).data, "refreshToken");
    const char *secret = bob.refresh + strlen("tr_") + strlen(bob.session) +
                         strlen("_1"); /* may hold more of '_' itself */
    cr_assert_eq(strlen(secret), strlen("_") + 43, "%s", bob.refresh);
    const char *const forged[] = {
        format("tr_%s_1%s", ann.session, secret),
        format("tr_%s_2%s", ann.session, secret),
        format("tr_%s_3%s", ann.session, secret),
        format("tr_%s_4%s", ann.session, secret),
        format("tr_%s_0%s", ann.session, secret),
        format("tr_%s_9223372036854775807%s", ann.session, secret),
        format("tr_%s_1", ann.session),
        format("tr_000000000000000000000000_1%s", secret),
        format("%sx", ann.refresh),
        ann.access,
        "tr___",
        "x",
    };
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        cr_expect_eq(refresh(forged[i]).status, 401, "%s", forged[i]);
    cr_expect(alive(&ann));
    cr_expect_eq(stored(&ann)->generation, 3);
}

Test(refresh, refuses_what_has_expired)
{
    struct person ann = signup("ann");
    age(&ann, fixture.parts.sessions.ttl_ms + 1000);
    cr_expect_eq(refresh(ann.refresh).status, 401);
}

Test(refresh, wants_an_access_token_sent_along_to_be_of_the_same_session)
{
    struct person ann = signup("ann"), other = signin("ann"), bob = signup("bob");
    const char *body = format("{\"refreshToken\":\"%s\"}", ann.refresh);
    const char *const wrong[] = { other.access, bob.access, "garbage", "" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_eq(CALL(POST, "/token/refresh", body, .token = wrong[i]).status, 401, "%s", wrong[i]);
    cr_expect_eq(CALL(POST, "/token/refresh", body, .header = "authorization", .value = "Basic eDp5").status, 401);
    cr_expect_eq(stored(&ann)->generation, 1);
    cr_expect_eq(CALL(POST, "/token/refresh", body, .token = ann.access).status, 200);
}

Test(refresh, takes_an_access_token_that_has_expired)
{
    struct person ann = signup("ann");
    const struct tokens *tokens = &fixture.parts.tokens;
    struct jwt_claims claims = { .issuer = tokens->issuer,
                                 .audience = tokens->audience,
                                 .subject = ann.id,
                                 .session = ann.session,
                                 .id = "x",
                                 .client = "x",
                                 .issued = 1000,
                                 .expires = 1900,
                                 .user_version = 1 };
    const char *old = key_ring_sign(&fixture.ctx, tokens->ring, "at+jwt", &claims);
    cr_assert_not_null(old);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = old).status, 401);
    cr_expect_eq(CALL(POST, "/token/refresh", format("{\"refreshToken\":\"%s\"}", ann.refresh), .token = old).status,
                 200);
}

Test(refresh, refuses_a_suspended_user)
{
    struct person ann = signup("ann");
    cr_assert(user_set_status(&fixture.ctx, &fixture.parts.users, ann.id, USER_SUSPENDED));
    cr_expect_eq(refresh(ann.refresh).status, 401);
    cr_expect_not(alive(&ann));
    cr_assert(user_set_status(&fixture.ctx, &fixture.parts.users, ann.id, USER_ACTIVE));
    cr_expect_eq(refresh(ann.refresh).status, 401);
    cr_expect_not(alive(&ann));
    struct person again = signin("ann");
    cr_expect(alive(&again));
}

Test(refresh, calls_an_outage_an_outage)
{
    struct person ann = signup("ann");
    struct answer answer = CALL(POST, "/token/refresh", format("{\"refreshToken\":\"%s\"}", ann.refresh), .late = true);
    cr_expect_eq(answer.status, 503, "%s", answer.text);
    cr_expect(alive(&ann));
    cr_expect_eq(refresh(ann.refresh).status, 200);
}

Test(refresh, goes_on_under_a_new_master_secret)
{
    struct person ann = signup("ann");
    const char *old = fixture.master.fixed;
    fixture.master.fixed = "another master secret, as long as the old";
    struct answer answer = refresh(ann.refresh);
    cr_expect_eq(answer.status, 200, "%s", answer.text);
    cr_expect_eq(refresh(text_at(answer.data, "refreshToken")).status, 200);
    fixture.master.fixed = old;
}
