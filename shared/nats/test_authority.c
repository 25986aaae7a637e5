/* Tokens, roles and keys as media asks for them, against a service that answers as auth does. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/text.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "crypto/apikey.h"
#include "crypto/jwt.h"
#include "nats/authority.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"
#include "nats/streams.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 2 };

static struct nats_server server;
static struct ctx ctx;
static struct bus *auth_bus, *media_bus;
static struct feed *auth_feed;
static struct workers *workers;
static struct service *service;
static struct remote_authority *remote;
static struct authority authority;
static struct jwt_key keys[KEYS];

/* What auth knows, and how often it was asked. */
static struct {
    int tokens, roles, apikeys, jwks;
    int published; /* how many of the keys are in the JWKS */
    int64_t version;
    bool artist;
    bool revokes_before_it_answers;
} auth;

static const struct stream *const streams[] = { &stream_revoked, NULL };

static int asked(int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static struct response *answer_token(struct request *req)
{
    struct validate_token in = { 0 };
    if (!request_body(req, validate_token_fields, &in))
        return NULL;
    __atomic_add_fetch(&auth.tokens, 1, __ATOMIC_SEQ_CST);
    struct public_user user = { .id = "u1", .name = "Ann", .email = "ann@example.com" };
    struct role_ref role = { "r1", "ARTIST" };
    struct valid_token out = { &user, { &role, 1 }, "s1", auth.version, clock_now_ms() + 60000 };
    if (auth.revokes_before_it_answers) {
        cr_assert(feed_publish(&req->ctx, auth_feed, REVOKED_SESSION, "s1", 0));
        calm_sleep(300); /* it has arrived by then */
    }
    return reply(req, valid_token_fields, &out);
}

static struct response *answer_role(struct request *req)
{
    struct validate_role in = { 0 };
    if (!request_body(req, validate_role_fields, &in))
        return NULL;
    __atomic_add_fetch(&auth.roles, 1, __ATOMIC_SEQ_CST);
    struct valid_role out = { .has_role = auth.artist && text_equal(((const char **)in.roles.items)[0], "ARTIST") };
    return reply(req, valid_role_fields, &out);
}

static struct response *answer_apikey(struct request *req)
{
    struct validate_apikey in = { 0 };
    if (!request_body(req, validate_apikey_fields, &in))
        return NULL;
    __atomic_add_fetch(&auth.apikeys, 1, __ATOMIC_SEQ_CST);
    char id[25];
    cr_assert(apikey_plausible(in.key, id));
    if (id[0] != 'a')
        return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "the API key is not valid");
    const char *scopes[] = { "/media", "/auth" };
    struct valid_apikey out = { id, "a key", { scopes, 2 }, 60, 0 };
    return reply(req, valid_apikey_fields, &out);
}

static struct response *answer_jwks(struct request *req)
{
    __atomic_add_fetch(&auth.jwks, 1, __ATOMIC_SEQ_CST);
    struct jwt_keys *set = jwt_keys_create();
    for (int i = KEYS - auth.published; i < KEYS; i++) {
        EVP_PKEY_up_ref(keys[i].key);
        jwt_keys_add(set, keys[i].kid, keys[i].alg, keys[i].key);
    }
    const char *text = jwks_write(&req->ctx, set);
    jwt_keys_unref(set);
    return respond_raw(req, 200, NULL, text, strlen(text));
}

static const struct subject subjects[] = {
    { .name = SUBJECT_VALIDATE_TOKEN, .handler = answer_token, .in = validate_token_fields },
    { .name = SUBJECT_VALIDATE_ROLE, .handler = answer_role, .in = validate_role_fields },
    { .name = SUBJECT_VALIDATE_APIKEY, .handler = answer_apikey, .in = validate_apikey_fields },
    { .name = SUBJECT_JWKS, .handler = answer_jwks },
    { 0 },
};

static const char *token_of(int key, const char *id, int64_t lives_s)
{
    int64_t now = clock_now_ms() / 1000;
    struct jwt_claims claims = { .issuer = "tonearm",
                                 .audience = "tonearm",
                                 .subject = "u1",
                                 .session = "s1",
                                 .id = id,
                                 .issued = now,
                                 .expires = now + lives_s,
                                 .user_version = 1 };
    const char *out = jwt_sign(&ctx, &keys[key], "at+jwt", &claims);
    cr_assert_not_null(out);
    return out;
}

static struct bus *open_bus(const char *user)
{
    char *url = nats_server_url(&server, user);
    struct bus *bus = bus_open(&ctx, &(struct bus_options){ .url = url, .name = user });
    free(url);
    cr_assert_not_null(bus);
    return bus;
}

static bool ready(void *self)
{
    struct ctx mine = { 0 };
    bool out = remote_authority_ready(&mine, self);
    ctx_finish(&mine);
    return out;
}

static void setup(void)
{
    static char conf[512];
    snprintf(conf, sizeof conf, "%s/compose/nats.conf", getenv("ROOT"));
    for (int i = 0; i < KEYS; i++) {
        EVP_PKEY *key = jwt_key_generate(&ctx, JWT_ES256);
        keys[i] = (struct jwt_key){ .kid = jwt_key_kid(&ctx, key), .alg = JWT_ES256, .key = key };
    }
    auth.published = KEYS;
    auth.version = 1;
    auth.artist = true;
    nats_server_create(&server, conf);
    auth_bus = open_bus("auth");
    cr_assert(streams_keep(&ctx, auth_bus, streams));
    auth_feed = feed_open(&ctx, &(struct feed_options){ .bus = auth_bus, .keep_ms = 60000 });
    workers = workers_create(4, 1, 64);
    service = service_start(
        &ctx, auth_bus,
        &(struct service_options){ .name = "auth", .version = "0.1.0", .subjects = subjects, .workers = workers });
    media_bus = open_bus("media");
    remote = remote_authority_create(
        &ctx, &(struct remote_authority_options){
                  .bus = media_bus, .issuer = "tonearm", .audience = "tonearm", .keep_ms = 60000, .capacity = 100 });
    authority = remote_authority(remote);
    cr_assert(eventually(30000, ready, remote));
}

static void teardown(void)
{
    remote_authority_destroy(remote);
    bus_close(media_bus, 200);
    service_stop(service);
    workers_destroy(workers);
    service_destroy(service);
    feed_close(auth_feed);
    bus_close(auth_bus, 200);
    nats_server_destroy(&server);
    for (int i = 0; i < KEYS; i++)
        EVP_PKEY_free(keys[i].key);
    ctx_finish(&ctx);
}

TestSuite(authority, .init = setup, .fini = teardown, .timeout = 180);

static struct caller *caller_of(const char *token)
{
    ctx.error = NULL;
    return authority.token(&ctx, authority.self, token);
}

static int status_of(const char *token)
{
    return caller_of(token) ? 200 : error_http_status(ctx.error->code);
}

static int role_status(const struct caller *caller, const char *role)
{
    ctx.error = NULL;
    const char *any_of[] = { role, NULL };
    return authority.role(&ctx, authority.self, caller, any_of) ? 200 : error_http_status(ctx.error->code);
}

static struct api_key *key_of(const char *text)
{
    ctx.error = NULL;
    return authority.key(&ctx, authority.self, text);
}

static int key_status(const char *text)
{
    return key_of(text) ? 200 : error_http_status(ctx.error->code);
}

Test(authority, a_token_is_asked_for_once)
{
    const char *token = token_of(0, "t1", 600);
    for (int i = 0; i < 10; i++) {
        struct caller *caller = caller_of(token);
        cr_assert_not_null(caller, "%s", ctx.error->message);
        cr_expect_str_eq(caller->user_id, "u1");
        cr_expect_str_eq(caller->email, "ann@example.com");
        cr_expect_str_eq(caller->session_id, "s1");
        cr_expect_str_eq(caller->roles[0], "ARTIST");
        cr_expect_null(caller->roles[1]);
    }
    cr_expect_eq(asked(&auth.tokens), 1);
    cr_expect_eq(asked(&auth.jwks), 1);
}

Test(authority, a_forged_or_expired_one_costs_no_message)
{
    const char *good = token_of(0, "t1", 600);
    char *forged = arena_strdup(&ctx.arena, good);
    forged[strlen(forged) - 10] ^= 1;
    cr_expect_eq(status_of(forged), 401);
    cr_expect_eq(status_of(token_of(0, "t2", -1)), 401);
    cr_expect_eq(status_of(""), 401);
    cr_expect_eq(status_of("a.b.c"), 401);
    cr_expect_eq(asked(&auth.tokens), 0);
    cr_expect_eq(status_of(good), 200);
}

static bool is_refused(void *token)
{
    return status_of(token) == 401;
}

Test(authority, a_revoked_session_is_refused_within_a_second)
{
    const char *token = token_of(0, "t1", 600);
    cr_assert_eq(status_of(token), 200);
    cr_assert(feed_publish(&ctx, auth_feed, REVOKED_SESSION, "s1", 0));
    int64_t begin = calm_ms();
    cr_expect(eventually(1000, is_refused, (void *)token));
    cr_expect_lt(calm_ms() - begin, 300);
    cr_expect_eq(status_of(token_of(0, "t2", 600)), 401, "another token of that session");
    cr_expect_eq(asked(&auth.tokens), 1);
}

Test(authority, a_revocation_that_arrives_before_an_older_valid_is_honoured)
{
    auth.revokes_before_it_answers = true;
    const char *token = token_of(0, "t1", 600);
    cr_expect_eq(status_of(token), 401);
    cr_expect_eq(asked(&auth.tokens), 1);
    cr_expect_eq(status_of(token), 401);
}

static bool has_version_2(void *token)
{
    struct caller *caller = caller_of(token);
    return caller && caller->user_version == 2;
}

Test(authority, a_changed_user_is_asked_for_again_with_the_roles)
{
    const char *token = token_of(0, "t1", 600);
    struct caller *caller = caller_of(token);
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(role_status(caller, "ARTIST"), 200);
        cr_expect_eq(role_status(caller, "EDITOR"), 403);
    }
    cr_expect_eq(asked(&auth.roles), 2, "once for each set of roles");
    auth.artist = false;
    auth.version = 2;
    cr_assert(feed_publish(&ctx, auth_feed, CHANGED_USER, "u1", 2));
    cr_assert(eventually(1000, has_version_2, (void *)token));
    cr_expect_eq(role_status(caller, "ARTIST"), 403, "with the caller of before too");
    cr_expect_eq(role_status(caller_of(token), "ARTIST"), 403);
}

Test(authority, an_unknown_kid_is_looked_up_once_in_ten_seconds)
{
    auth.published = 1; /* only the second */
    remote_authority_destroy(remote);
    remote = remote_authority_create(
        &ctx, &(struct remote_authority_options){
                  .bus = media_bus, .issuer = "tonearm", .audience = "tonearm", .keep_ms = 60000 });
    authority = remote_authority(remote);
    int before = asked(&auth.jwks);
    cr_expect_eq(status_of(token_of(1, "t0", 600)), 200);
    cr_expect_eq(asked(&auth.jwks), before + 1);
    auth.published = 2;
    cr_expect_eq(status_of(token_of(0, "t1", 600)), 200, "there by now");
    cr_expect_eq(asked(&auth.jwks), before + 2);
    struct jwt_key stranger = keys[0];
    keys[0].kid = "nobodys";
    for (int i = 0; i < 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "x%d", i);
        cr_expect_eq(status_of(token_of(0, id, 600)), 401);
    }
    keys[0] = stranger;
    cr_expect_eq(asked(&auth.jwks), before + 2);
}

static bool is_unknown(void *token)
{
    return status_of(token) == 401;
}

Test(authority, a_revoked_signing_key_ends_its_tokens)
{
    const char *old = token_of(0, "t1", 600), *fresh = token_of(1, "t2", 600);
    cr_assert_eq(status_of(old), 200);
    cr_assert_eq(status_of(fresh), 200);
    auth.published = 1;
    cr_assert(feed_publish(&ctx, auth_feed, REVOKED_SESSION, keys[0].kid, 0));
    cr_expect(eventually(1000, is_unknown, (void *)old));
    cr_expect_eq(status_of(fresh), 200);
}

/* The replica of auth that answers has not heard of it yet. */
Test(authority, a_revoked_signing_key_is_not_learned_again)
{
    const char *seen = token_of(0, "t1", 600), *unseen = token_of(0, "t2", 600);
    cr_assert_eq(status_of(seen), 200);
    cr_assert(feed_publish(&ctx, auth_feed, REVOKED_SESSION, keys[0].kid, 0));
    cr_expect(eventually(1000, is_unknown, (void *)seen));
    cr_expect_eq(status_of(unseen), 401);
    cr_expect_eq(status_of(token_of(1, "t3", 600)), 200);
}

static bool is_key_refused(void *key)
{
    return key_status(key) == 401;
}

Test(authority, an_api_key_is_asked_for_once_and_garbage_never)
{
    const char *good = apikey_make(&ctx, "a00000000000000000000001"),
               *bad = apikey_make(&ctx, "b00000000000000000000001");
    for (int i = 0; i < 3; i++) {
        struct api_key *key = key_of(good);
        cr_assert_not_null(key);
        cr_expect_str_eq(key->scopes[1], "/auth");
        cr_expect_null(key->scopes[2]);
        cr_expect_eq(key->rate, 60);
        cr_expect_eq(key_status(bad), 401);
        cr_expect_eq(key_status("ta_garbage"), 401);
    }
    cr_expect_eq(asked(&auth.apikeys), 2);
    cr_assert(feed_publish(&ctx, auth_feed, REVOKED_APIKEY, "a00000000000000000000001", 0));
    cr_expect(eventually(1000, is_key_refused, (void *)good));
}

static bool is_good(void *token)
{
    return status_of(token) == 200;
}

Test(authority, an_outage_is_never_an_answer_about_a_person)
{
    const char *known = token_of(0, "t1", 600), *unknown = token_of(0, "t2", 600);
    const char *key = apikey_make(&ctx, "a00000000000000000000001"),
               *other = apikey_make(&ctx, "a00000000000000000000002");
    struct caller *caller = caller_of(known);
    cr_assert_eq(role_status(caller, "ARTIST"), 200);
    cr_assert_eq(key_status(key), 200);
    nats_server_signal(&server, SIGSTOP);
    int64_t begin = calm_ms();
    cr_expect_eq(status_of(unknown), 503);
    cr_expect_lt(calm_ms() - begin, 2200);
    cr_expect_eq(status_of(known), 200);
    cr_expect_eq(role_status(caller, "ARTIST"), 200);
    cr_expect_eq(role_status(caller, "EDITOR"), 503);
    cr_expect_eq(key_status(key), 200);
    cr_expect_eq(key_status(other), 503);
    cr_expect_not(ready(remote));
    nats_server_signal(&server, SIGCONT);
    cr_expect(eventually(30000, ready, remote));
    cr_expect(eventually(30000, is_good, (void *)unknown), "auth is connected again too");
}

Test(authority, auth_gone_is_an_outage_too)
{
    const char *known = token_of(0, "t1", 600);
    cr_assert_eq(status_of(known), 200);
    service_stop(service);
    cr_expect_eq(status_of(token_of(0, "t2", 600)), 503);
    cr_expect_eq(status_of(known), 200);
}
