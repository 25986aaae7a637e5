/* Sign-in by an OpenID Connect provider, against a real one: which accounts it opens, and whom it keeps out. */
#include "oauth_fixture.h"

#include "base/text.h"
#include "oauth/oauth_used.h"
#include "user/user_store.h"

TestSuite(oauth, .init = oauth_setup, .fini = oauth_teardown, .timeout = 300);

static const struct user *stored(const char *id)
{
    struct user *user = user_store_get(&fixture.ctx, fixture.store, id);
    cr_assert_not_null(user);
    return user;
}

static bool verify(struct ctx *ctx, struct user *user, const void *with)
{
    (void)ctx;
    (void)with;
    user->verified_at = clock_now_ms();
    return true;
}

static int password_signin(const char *email)
{
    return CALL(POST, "/signin/basic", format("{\"email\":\"%s\",\"password\":\"correct horse\"}", email)).status;
}

static const char *id_of(const struct answer *answer)
{
    cr_assert_eq(answer->status, 200, "%s", answer->text);
    return text_at(answer->data, "user.id");
}

Test(oauth, makes_an_account_and_finds_it_again)
{
    struct answer first = sign_in_as("ann-1", "Ann@Example.com", true);
    const char *id = id_of(&first);
    cr_expect_str_eq(text_at(first.data, "user.email"), "Ann@Example.com");
    cr_expect_str_eq(text_at(first.data, "user.name"), "Ann");
    cr_expect_str_eq(text_at(first.data, "user.roles.0.code"), "LISTENER");
    struct person ann = person_of(json_at(first.data, "tokens"));
    struct answer profile = CALL(GET, "/profile/mine", .token = ann.access);
    cr_expect(json_is_true(json_at(profile.data, "emailVerified")));
    cr_expect_eq(refresh(ann.refresh).status, 200);
    cr_expect_null(stored(id)->password);

    struct answer again = sign_in_as("ann-1", "Ann@Example.com", true);
    cr_expect_str_eq(id_of(&again), id);
    struct answer elsewhere = sign_in_as("ann-1", "moved@example.com", true);
    cr_expect_str_eq(id_of(&elsewhere), id, "who it is hangs on the subject, not on the address");
    struct answer lost = sign_in_as("ann-1", "moved@example.com", false);
    cr_expect_str_eq(id_of(&lost), id);
    struct answer other = sign_in_as("bob-1", "bob@example.com", true);
    cr_expect_str_neq(id_of(&other), id);
}

Test(oauth, takes_what_the_provider_tells_where_it_can_be_kept)
{
    spoil(
        "{\"claims\":{\"name\":\"Ann Person\",\"picture\":\"https://example.com/a.png\",\"email_verified\":\"true\"}}");
    struct answer good = sign_in_as("ann-1", "ann@example.com", true);
    cr_expect_str_eq(text_at(good.data, "user.name"), "Ann Person");
    cr_expect_str_eq(text_at(good.data, "user.profilePicUrl"), "https://example.com/a.png");
    spoil("{\"claims\":{\"name\":\"\\u0007\",\"picture\":\"javascript:alert(1)\"}}");
    struct answer bad = sign_in_as("bob-1", "bob@example.com", true);
    cr_expect_str_eq(text_at(bad.data, "user.name"), "bob");
    cr_expect_null(text_at(bad.data, "user.profilePicUrl"));
    spoil("{\"claims\":{\"sub\":\"with a blank\"}}");
    cr_expect_eq(sign_in_as("eve-1", "eve@example.com", true).status, 401);
    spoil("{\"claims\":{\"email\":\"no address\"}}");
    cr_expect_eq(sign_in_as("eve-2", "eve@example.com", true).status, 403);
}

Test(oauth, opens_an_account_whose_address_is_its_owners)
{
    struct person ann = signup("ann");
    cr_assert_not_null(user_edit(&fixture.ctx, &fixture.parts.users, ann.id, verify, NULL));
    struct answer linked = sign_in_as("ann-1", "ANN@example.com", true);
    cr_expect_str_eq(id_of(&linked), ann.id);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200, "its owner's sessions stay");
    cr_expect_eq(password_signin("ann@example.com"), 200, "and the password");
    struct answer again = sign_in_as("ann-1", "ann@example.com", true);
    cr_expect_str_eq(id_of(&again), ann.id);
    cr_expect_eq(stored(ann.id)->links.count, 1);
}

/* Whoever signed up with an address that they have not shown to be theirs waits for its owner in vain. */
Test(oauth, takes_an_account_from_who_did_not_verify_the_address)
{
    struct person stranger = signup("ann");
    struct answer linked = sign_in_as("ann-1", "ann@example.com", true);
    cr_expect_str_eq(id_of(&linked), stranger.id);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = stranger.access).status, 401);
    cr_expect_eq(refresh(stranger.refresh).status, 401);
    cr_expect_eq(password_signin("ann@example.com"), 401);
    struct person ann = person_of(json_at(linked.data, "tokens"));
    struct answer profile = CALL(GET, "/profile/mine", .token = ann.access);
    cr_expect(json_is_true(json_at(profile.data, "emailVerified")));
}

Test(oauth, believes_no_address_that_is_not_verified)
{
    struct person ann = signup("ann");
    struct answer taken = sign_in_as("eve-1", "ann@example.com", false);
    struct answer fresh = sign_in_as("eve-2", "nobody@example.com", false);
    cr_expect_eq(taken.status, 403);
    cr_expect_eq(fresh.status, 403);
    cr_expect_str_eq(taken.message, fresh.message, "nobody learns whether there is an account");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
    cr_expect_eq(stored(ann.id)->links.count, 0);

    spoil("{\"claims\":{\"email_verified\":null}}");
    cr_expect_eq(sign_in_as("eve-3", "ann@example.com", true).status, 403, "not said is not so");
    struct answer trusted = sign_in_by("trusted", "eve-4", "nobody@example.com", true);
    cr_expect_eq(trusted.status, 200, "unless the operator says so: %s", trusted.text);
    spoil("{\"claims\":{\"email_verified\":false}}");
    cr_expect_eq(sign_in_by("trusted", "eve-5", "other@example.com", true).status, 403, "said to be untrue");
}

Test(oauth, gives_no_account_to_another_subject_of_the_provider)
{
    struct answer first = sign_in_as("ann-1", "ann@example.com", true);
    const char *id = id_of(&first);
    struct answer other = sign_in_as("ann-2", "ann@example.com", true);
    cr_expect_eq(other.status, 409, "the address is somebody else's now: %s", other.text);
    cr_expect_eq(stored(id)->links.count, 1);
}

Test(oauth, opens_no_administrators_account_that_is_not_verified)
{
    struct person boss = admin();
    cr_expect_eq(sign_in_as("eve-1", "admin@example.com", true).status, 409);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = boss.access).status, 200);
    cr_assert_not_null(user_edit(&fixture.ctx, &fixture.parts.users, boss.id, verify, NULL));
    struct answer good = sign_in_as("boss-1", "admin@example.com", true);
    cr_expect_str_eq(id_of(&good), boss.id);
}

Test(oauth, keeps_the_suspended_out)
{
    struct answer first = sign_in_as("ann-1", "ann@example.com", true);
    const char *id = id_of(&first);
    struct person bob = signup("bob");
    cr_assert(user_set_status(&fixture.ctx, &fixture.parts.users, id, USER_SUSPENDED));
    cr_assert(user_set_status(&fixture.ctx, &fixture.parts.users, bob.id, USER_SUSPENDED));
    cr_expect_eq(sign_in_as("ann-1", "ann@example.com", true).status, 403);
    cr_expect_eq(sign_in_as("bob-1", "bob@example.com", true).status, 403);
    cr_expect_eq(stored(bob.id)->links.count, 0);
}

Test(oauth, forgets_the_link_of_a_deleted_account)
{
    struct answer first = sign_in_as("ann-1", "ann@example.com", true);
    const char *id = id_of(&first);
    struct person ann = person_of(json_at(first.data, "tokens"));
    cr_expect_eq(CALL(POST, "/profile/mine/delete", "{}", .token = ann.access).status, 200);
    cr_expect_eq(stored(id)->links.count, 0);
    struct answer again = sign_in_as("ann-1", "ann@example.com", true);
    cr_expect_str_neq(id_of(&again), id);
}

struct race {
    const char *cookies[8], *backs[8];
    struct answer answers[8];
};

static void go_back(void *self, size_t number)
{
    struct race *race = self;
    race->answers[number] = come_back(race->backs[number], race->cookies[number]);
}

Test(oauth, makes_one_account_of_eight_first_sign_ins_at_once)
{
    struct race race;
    for (size_t i = 0; i < 8; i++) {
        struct trip trip = set_out("mock");
        race.cookies[i] = trip.cookie;
        race.backs[i] = at_provider(&trip, "ann-1", "ann@example.com", true);
    }
    at_once(8, go_back, &race);
    const char *id = NULL;
    for (size_t i = 0; i < 8; i++) {
        cr_assert(race.answers[i].status == 200 || race.answers[i].status == 503, "%s", race.answers[i].text);
        if (race.answers[i].status != 200)
            continue;
        cr_expect(!id || text_equal(id, id_of(&race.answers[i])));
        id = id_of(&race.answers[i]);
    }
    cr_assert_not_null(id);
    cr_expect_eq(stored(id)->links.count, 1);
}

Test(oauth, sweeps_what_is_done_with)
{
    struct ctx *ctx = &fixture.ctx;
    cr_assert(oauth_use(ctx, fixture.store, "old", clock_now_ms() - 1));
    cr_assert(oauth_use(ctx, fixture.store, "young", clock_now_ms() + 600000));
    cr_assert(oauth_used_sweep(ctx, fixture.store));
    ctx->deadline_ms = 0;
    cr_expect(oauth_use(ctx, fixture.store, "old", clock_now_ms() + 600000));
    cr_expect_not(oauth_use(ctx, fixture.store, "young", clock_now_ms() + 600000));
    cr_expect_eq(ctx->error->code, ERROR_UNAUTHORIZED);
}
