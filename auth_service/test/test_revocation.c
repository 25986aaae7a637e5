#include "auth_fixture.h"
#include "apikey/apikeys_store.h"
#include "auth_collections.h"
#include "base/text.h"
#include "key/signing_key_store.h"
#include "nats/nats_fixture.h"
#include "nats/streams.h"
#include "role/role_store.h"
#include "session/session_store.h"
#include "user/user_store.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;

static bool is_whole(void *self)
{
    (void)self;
    return feed_whole(fixture.feed);
}

/* Another process that follows the feed. */
static struct bus *far_bus;
static struct feed *far_feed;

static bool far_is_whole(void *self)
{
    (void)self;
    return feed_whole(far_feed);
}

static void start(void)
{
    static const struct stream *const streams[] = { &stream_revoked, NULL };
    nats_server_create(&server, NULL);
    fixture_options.nats_url = server.url;
    auth_start();
    cr_assert(streams_keep(&fixture.ctx, fixture.bus, streams));
    far_bus = bus_open(&fixture.ctx,
                       &(struct bus_options){ .url = server.url, .name = "media", .instance = "far", .queue = 64 });
    far_feed = feed_open(&fixture.ctx, &(struct feed_options){ .bus = far_bus, .keep_ms = 60000 });
    cr_assert(far_feed);
    cr_assert(eventually(10000, is_whole, NULL), "the feed has no streams");
    cr_assert(eventually(10000, far_is_whole, NULL));
}

static void stop(void)
{
    feed_close(far_feed);
    bus_close(far_bus, 100);
    auth_stop();
    nats_server_destroy(&server);
}

TestSuite(revocation, .init = start, .fini = stop, .timeout = 120);

struct told {
    enum revoked kind;
    const char *id;
    int64_t version;
};

static bool is_told(void *self)
{
    const struct told *told = self;
    return feed_revoked(far_feed, told->kind, told->id, told->version);
}

static bool catch_up(void *self)
{
    (void)self;
    struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + 2000 };
    bool told = announce_pending(&ctx, &fixture.parts.announcer);
    ctx_finish(&ctx);
    return told;
}

static struct session *session_of(const struct person *person)
{
    struct session *session = session_store_get(&fixture.ctx, fixture.store, person->session);
    ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND);
    return session;
}

Test(revocation, of_a_session_reaches_everybody)
{
    struct person ann = signup("ann");
    cr_expect_eq(CALL(DELETE, "/signout", .token = ann.access).status, 200);
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_SESSION, ann.session, 0 }));
    cr_expect_null(session_of(&ann), "what everybody knows is forgotten");
}

Test(revocation, of_a_used_refresh_token_reaches_everybody)
{
    struct person ann = signup("ann");
    refresh(text_at(refresh(ann.refresh).data, "refreshToken"));
    cr_expect_eq(refresh(ann.refresh).status, 401);
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_SESSION, ann.session, 0 }));
}

Test(revocation, of_all_sessions_reaches_everybody)
{
    struct person ann = signup("ann"), other = signin("ann");
    cr_expect_eq(CALL(DELETE, "/signout?all=true", .token = ann.access).status, 200);
    cr_expect(eventually(1000, is_told, &(struct told){ CHANGED_USER, ann.id, 1 }));
    cr_expect_not(feed_revoked(far_feed, CHANGED_USER, ann.id, 2));
    cr_assert(catch_up(NULL));
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_SESSION, ann.session, 0 }));
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_SESSION, other.session, 0 }));
    cr_expect_null(session_of(&other));
}

/* Told as a session whose id is the kid: what it signed is asked about anew everywhere. */
Test(revocation, of_a_signing_key_reaches_everybody)
{
    struct person ann = signup("ann");
    struct list keys;
    cr_assert(signing_key_list(&fixture.ctx, &fixture.parts.signing_keys, &keys));
    const struct signing_key *first = keys.items;
    cr_assert(signing_keys_revoke(&fixture.ctx, &fixture.parts.signing_keys, first->doc.id));
    cr_expect(eventually(10000, catch_up, NULL));
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_SESSION, first->doc.id, 0 }));
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
    struct untold *left;
    size_t count;
    cr_assert(signing_key_announced.pending(&fixture.ctx, fixture.store, clock_now_ms(), &left, &count));
    cr_expect_eq(count, 0, "told once");
}

/* Told as the change of a user of the name "roles"; another replica's memory of them is over with it. */
Test(revocation, of_what_a_role_may_reaches_everybody)
{
    struct person root = admin();
    const char *const editor[] = { "EDITOR", NULL }, *const publish[] = { "track:publish", NULL };
    struct roles *other = roles_create(fixture.store, far_feed);
    cr_expect_eq(roles_reach(&fixture.ctx, other, editor, publish), REACH_YES);
    int64_t before;
    cr_assert(role_store_version(&fixture.ctx, fixture.store, &before));
    struct answer answer = CALL(PUT, "/roles/EDITOR", "{\"permissions\":[],\"status\":\"ACTIVE\"}",
                                .token = root.access);
    cr_expect_eq(answer.status, 200);
    cr_expect(eventually(1000, is_told, &(struct told){ CHANGED_USER, FEED_ROLES, before }));
    cr_expect(feed_roles_newer(far_feed, before));
    cr_expect_eq(roles_reach(&fixture.ctx, other, editor, publish), REACH_NO);
    roles_destroy(other);
    cr_assert(eventually(10000, catch_up, NULL));
    struct untold *left;
    size_t count;
    cr_assert(roles_announced.pending(&fixture.ctx, fixture.store, clock_now_ms(), &left, &count));
    cr_expect_eq(count, 0, "told once");
}

Test(revocation, of_a_key_reaches_everybody)
{
    struct person root = admin();
    struct answer made = CALL(POST, "/apikeys", "{\"name\":\"x\",\"scopes\":[\"GENERAL\"]}", .token = root.access);
    const char *id = text_at(made.data, "id");
    CALL(DELETE, format("/apikeys/%s", id), .token = root.access);
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_APIKEY, id, 0 }));
}

Test(revocation, of_a_key_that_expires_reaches_everybody)
{
    struct person root = admin();
    struct answer made = CALL(POST, "/apikeys",
                              format("{\"name\":\"x\",\"scopes\":[\"GENERAL\"],\"expiresAt\":\"%s\"}",
                                     clock_format(&fixture.ctx.arena, clock_now_ms() + 500)),
                              .token = root.access);
    const char *id = text_at(made.data, "id");
    cr_assert(catch_up(NULL));
    cr_expect_not(feed_revoked(fixture.feed, REVOKED_APIKEY, id, 0));
    sleep_ms(510);
    cr_assert(catch_up(NULL));
    cr_expect(eventually(1000, is_told, &(struct told){ REVOKED_APIKEY, id, 0 }));
    cr_expect_str_eq(text_at(CALL(GET, "/apikeys", .token = root.access).data, "items.0.id"), id);
    cr_expect_eq(apikey_store_get(&fixture.ctx, fixture.store, id)->announce, 0);
}

Test(revocation, of_roles_reaches_everybody)
{
    struct person root = admin(), ann = signup("ann");
    CALL(PUT, format("/users/%s/roles", ann.id), "{\"roles\":[\"ARTIST\"]}", .token = root.access);
    cr_expect(eventually(1000, is_told, &(struct told){ CHANGED_USER, ann.id, 1 }));
    cr_expect_eq(user_get(&fixture.ctx, &fixture.parts.users, ann.id)->announce, 0);
}

/* NATS dies, a session ends, this process would die too: the store remembers what nobody was told. */
Test(revocation, is_made_up_after_an_outage)
{
    struct person ann = signup("ann"), bob = signup("bob");
    nats_server_signal(&server, SIGKILL);
    int64_t begin = clock_ms();
    cr_expect_eq(CALL(DELETE, "/signout", .token = ann.access).status, 200);
    cr_expect_lt(clock_ms() - begin, 1000, "a sign-out waits for nobody");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = bob.access).status, 200);
    cr_expect_not_null(session_of(&ann));
    cr_expect_not(catch_up(NULL));

    nats_server_start(&server);
    cr_assert(eventually(20000, is_whole, NULL));
    cr_assert(eventually(5000, catch_up, NULL));
    cr_expect(eventually(5000, is_told, &(struct told){ REVOKED_SESSION, ann.session, 0 }));
    cr_expect_not(feed_revoked(far_feed, REVOKED_SESSION, bob.session, 0));
    cr_expect_null(session_of(&ann));
}

Test(revocation, a_token_already_checked_passes_without_the_store)
{
    struct person ann = signup("ann");
    const struct authority *authority = &fixture.parts.authority;
    struct ctx late = { .request_id = "", .deadline_ms = 1 };
    cr_expect_null(authority->token(&late, authority->self, ann.access));
    cr_expect(ctx_forgive(&late, ERROR_UNAVAILABLE));
    cr_assert(authority->token(&fixture.ctx, authority->self, ann.access));
    struct caller *caller = authority->token(&late, authority->self, ann.access);
    cr_assert(caller, "%s", late.error ? late.error->message : "");
    cr_expect_str_eq(caller->user_id, ann.id);
    cr_expect_str_eq(caller->session_id, ann.session);
    cr_expect_str_eq(caller->email, "ann@example.com");
    cr_expect_str_eq(caller->roles[0], "LISTENER");
    cr_expect_null(caller->roles[1]);
    ctx_finish(&late);
}

/* What is remembered falls with what it hangs on, wherever that was changed. */
Test(revocation, nothing_remembered_outlives_its_session)
{
    struct person ann = signup("ann"), root = admin();
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
    CALL(PUT, format("/users/%s/roles", ann.id), "{\"roles\":[\"ADMIN\"]}", .token = root.access);
    cr_expect_eq(CALL(GET, "/users", .token = ann.access).status, 200);
    CALL(PUT, format("/users/%s/roles", ann.id), "{\"roles\":[\"ARTIST\"]}", .token = root.access);
    cr_expect_eq(CALL(GET, "/users", .token = ann.access).status, 403);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
    CALL(DELETE, "/signout", .token = ann.access);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
}

/* Another replica of auth: the same store, its own memory, the feed between them. */
Test(revocation, of_another_replica_is_heard)
{
    struct person ann = signup("ann");
    struct local_authority *local = local_authority_create(&(struct local_authority_options){
        &fixture.parts.tokens, &fixture.parts.sessions, &fixture.parts.users, &fixture.parts.apikeys, far_feed, 10 });
    struct authority other = local_authority(local);
    cr_assert(other.token(&fixture.ctx, other.self, ann.access));
    cr_expect_eq(CALL(DELETE, "/signout", .token = ann.access).status, 200);
    cr_assert(eventually(1000, is_told, &(struct told){ REVOKED_SESSION, ann.session, 0 }));
    cr_expect_null(other.token(&fixture.ctx, other.self, ann.access));
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_UNAUTHORIZED));
    local_authority_destroy(local);
}

/* Nothing is told between them: the store itself says that it was written to. */
Test(revocation, of_another_replica_holds_at_once_though_nobody_is_told)
{
    struct ctx *ctx = &fixture.ctx;
    signup("ann");
    nats_server_signal(&server, SIGKILL);
    struct store *store = auth_store_open();
    struct sessions sessions = fixture.parts.sessions;
    struct users users = fixture.parts.users;
    sessions.store = users.store = store;
    struct local_authority *local = local_authority_create(&(struct local_authority_options){
        &fixture.parts.tokens, &sessions, &users, &fixture.parts.apikeys, far_feed, 100 });
    struct authority other = local_authority(local);
    for (int i = 0; i < 100; i++) {
        struct person ann = signin("ann");
        cr_assert(other.token(ctx, other.self, ann.access));
        cr_assert(other.token(ctx, other.self, ann.access), "from what is remembered");
        cr_assert_eq(CALL(DELETE, "/signout", .token = ann.access).status, 200);
        cr_assert_null(other.token(ctx, other.self, ann.access), "the sign-out %d was not seen", i);
        cr_assert(ctx_forgive(ctx, ERROR_UNAUTHORIZED));
    }
    local_authority_destroy(local);
    store_close(store);
}

struct race {
    struct person people[16];
    const char *wrong[32]; /* by thread: the first answer that should not have been */
};

static int check(struct race *race, size_t number, bool ended)
{
    struct answer answer = CALL(GET, "/profile/mine", .token = race->people[number / 2].access);
    bool none = answer.status == 503; /* a server that is too slow for 32 at once gives no answer, and no wrong one */
    bool right = none || answer.status == 401 || (!ended && answer.status == 200);
    if (!right && !race->wrong[number])
        race->wrong[number] = answer.text;
    return answer.status;
}

static bool sign_out(struct race *race, size_t number)
{
    struct answer answer = { 0 };
    for (int tries = 0; tries < 20; tries++) {
        answer = CALL(DELETE, "/signout", .token = race->people[number / 2].access);
        if (answer.status == 200 ||
            (tries && answer.status == 401)) /* the try before has ended it, and could not say so */
            return true;
    }
    race->wrong[number] = answer.text;
    return false;
}

/* Checks a token over and over while it ends: once 401, for ever 401. */
static void check_and_end(void *self, size_t number)
{
    struct race *race = self;
    if (number % 2) {
        usleep(2000);
        if (sign_out(race, number))
            check(race, number, true);
        return;
    }
    bool ended = false;
    for (int i = 0; i < 300; i++)
        ended = check(race, number, ended) == 401 || ended;
}

Test(revocation, is_final)
{
    struct race race = { 0 };
    for (size_t i = 0; i < 16; i++)
        race.people[i] = signup(format("user%zu", i));
    at_once(32, check_and_end, &race);
    for (size_t i = 0; i < 32; i++)
        cr_expect_null(race.wrong[i], "%zu: %s", i, race.wrong[i]);
}
