/* Tokens of issuers that auth trusts besides itself, as media checks them, against a service that answers as auth does.
 */
#include "base/clock.h"
#include "base/text.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "crypto/jwt_issuers.h"
#include "nats/authority.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"
#include "nats/streams.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISSUER "https://idp.example"

enum { OWN, FOREIGN, NEXT, KEYS };

static struct nats_server server;
static struct ctx ctx;
static struct bus *auth_bus, *media_bus;
static struct workers *workers;
static struct service *service;
static struct remote_authority *remote;
static struct authority authority;
static struct jwt_key keys[KEYS];

/* What auth knows, and how often it was asked. */
static struct {
    int tokens, jwks;
    bool knows_next; /* once it was asked to look */
    bool away;
    char looked_for[128];
} auth;

static const struct stream *const streams[] = { &stream_revoked, NULL };

static int asked(int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static struct response *answer_token(struct request *req)
{
    __atomic_add_fetch(&auth.tokens, 1, __ATOMIC_SEQ_CST);
    struct public_user user = { .id = "u1", .name = "Ann", .email = "ann@example.com" };
    struct role_ref role = { "r1", "ARTIST" };
    struct valid_token out = { &user, { &role, 1 }, "s1", 1, clock_now_ms() + 600000 };
    return reply(req, valid_token_fields, &out);
}

static struct jwt_keys *set_of(int first, int last)
{
    struct jwt_keys *set = jwt_keys_create();
    for (int i = first; i <= last; i++) {
        EVP_PKEY_up_ref(keys[i].key);
        jwt_keys_add(set, keys[i].kid, keys[i].alg, keys[i].key);
    }
    return set;
}

static void note(const struct request *req)
{
    json_t *question = json_loadb(req->body, req->body_size, 0, NULL);
    const char *kid = json_string_value(json_object_get(question, "kid"));
    if (kid && text_equal(json_string_value(json_object_get(question, "issuer")), ISSUER))
        snprintf(auth.looked_for, sizeof auth.looked_for, "%s", kid);
    json_decref(question);
}

static struct response *answer_jwks(struct request *req)
{
    __atomic_add_fetch(&auth.jwks, 1, __ATOMIC_SEQ_CST);
    note(req);
    bool knows = auth.knows_next && text_equal(auth.looked_for, keys[NEXT].kid);
    struct jwt_keys *own = set_of(OWN, OWN), *foreign = set_of(FOREIGN, knows ? NEXT : FOREIGN);
    struct jwt_issuer issuer = { ISSUER, "music", 60, auth.away, auth.away ? NULL : foreign };
    const char *text = jwt_issuers_write(&req->ctx, jwks_write(&req->ctx, own), &issuer, 1);
    jwt_keys_unref(own);
    jwt_keys_unref(foreign);
    return respond_raw(req, 200, NULL, text, strlen(text));
}

static const struct subject subjects[] = {
    { .name = SUBJECT_VALIDATE_TOKEN, .handler = answer_token, .in = validate_token_fields },
    { .name = SUBJECT_JWKS, .handler = answer_jwks },
    { 0 },
};

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
    nats_server_create(&server, conf);
    auth_bus = open_bus("auth");
    cr_assert(streams_keep(&ctx, auth_bus, streams));
    workers = workers_create(4, 1, 64);
    service = service_start(
        &ctx, auth_bus,
        &(struct service_options){ .name = "auth", .version = "0.1.0", .subjects = subjects, .workers = workers });
    media_bus = open_bus("media");
}

/* Asks for the keys. */
static void begin(void)
{
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
    bus_close(auth_bus, 200);
    nats_server_destroy(&server);
    for (int i = 0; i < KEYS; i++)
        EVP_PKEY_free(keys[i].key);
    ctx_finish(&ctx);
}

TestSuite(authority_foreign, .init = setup, .fini = teardown, .timeout = 180);

static const struct jwt_claims right = { .issuer = ISSUER, .audience = "music", .subject = "ann" };

static const char *token_of(int key, const char *typ, struct jwt_claims claims, int64_t lives_s)
{
    claims.issued = clock_now_ms() / 1000 - 600;
    claims.expires = claims.issued + 600 + lives_s;
    const char *out = jwt_sign(&ctx, &keys[key], typ, &claims);
    cr_assert_not_null(out);
    return out;
}

static int status_of(const char *token)
{
    ctx.error = NULL;
    return authority.token(&ctx, authority.self, token) ? 200 : error_http_status(ctx.error->code);
}

/* On a busy machine auth may not answer in time: that is no answer. */
static int settled_status_of(const char *token)
{
    int64_t until = clock_ms() + 30000;
    int status;
    while ((status = status_of(token)) == 503 && clock_ms() < until)
        continue;
    return status;
}

Test(authority_foreign, a_good_one_is_asked_for_once)
{
    begin();
    const char *token = token_of(FOREIGN, "at+jwt", right, 600);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(settled_status_of(token), 200, "%s", ctx.error ? ctx.error->message : "");
    cr_expect_eq(asked(&auth.tokens), 1);
    cr_expect_str_eq(authority.token(&ctx, authority.self, token)->user_id, "u1");
}

Test(authority_foreign, a_forged_one_costs_no_message)
{
    begin();
    int jwks = asked(&auth.jwks);
    struct jwt_claims other = right, ours = right;
    other.audience = "tonearm";
    ours.issuer = ours.audience = "tonearm";
    char *forged = arena_strdup(&ctx.arena, token_of(FOREIGN, "at+jwt", right, 600));
    forged[strlen(forged) - 10] ^= 1;
    cr_expect_eq(settled_status_of(forged), 401);
    cr_expect_eq(settled_status_of(token_of(FOREIGN, "at+jwt", other, 600)), 401, "for another");
    cr_expect_eq(settled_status_of(token_of(FOREIGN, "JWT", right, 600)), 401, "an ID token");
    cr_expect_eq(settled_status_of(token_of(FOREIGN, "at+jwt", right, -1)), 401, "expired by a second");
    other.audience = "music";
    other.issuer = "https://another.example";
    cr_expect_eq(settled_status_of(token_of(OWN, "at+jwt", other, 600)), 401, "of nobody who is trusted");
    cr_expect_eq(asked(&auth.jwks), jwks);
    /* Each signs for itself alone. */
    cr_expect_eq(settled_status_of(token_of(FOREIGN, "at+jwt", ours, 600)), 401);
    cr_expect_eq(settled_status_of(token_of(OWN, "at+jwt", right, 600)), 401);
    cr_expect_eq(asked(&auth.tokens), 0);
}

Test(authority_foreign, a_key_that_is_not_known_is_looked_for_at_its_issuer)
{
    auth.knows_next = true;
    begin();
    cr_expect_eq(settled_status_of(token_of(NEXT, "at+jwt", right, 600)), 200, "%s",
                 ctx.error ? ctx.error->message : "");
    cr_expect_str_eq(auth.looked_for, keys[NEXT].kid);
}

Test(authority_foreign, that_its_issuer_is_away_is_an_outage)
{
    auth.away = true;
    begin();
    struct jwt_claims ours = { .issuer = "tonearm", .audience = "tonearm", .subject = "u1", .session = "s1" };
    cr_expect_eq(status_of(token_of(FOREIGN, "at+jwt", right, 600)), 503);
    cr_expect_eq(settled_status_of(token_of(OWN, "at+jwt", ours, 600)), 200, "others are none the worse");
    auth.away = false;
    cr_expect_eq(settled_status_of(token_of(FOREIGN, "at+jwt", right, 600)), 200);
}
