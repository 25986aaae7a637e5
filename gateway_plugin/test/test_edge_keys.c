/* Keys and members over NATS: a nats-server, an auth that the test plays, the edge as a process. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/random.h"
#include "contract/messages.h"
#include "crypto/apikey.h"
#include "edge_backend.h"
#include "edge_fixture.h"
#include "nats/feed.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"
#include "nats/streams.h"

#include <criterion/criterion.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FULL, NARROW, LIMITED, UNKNOWN, KINDS };

static struct nats_server server;
static struct edge_process edge;
static struct backend *one, *two;
static struct ctx ctx;
static struct bus *bus;
static struct workers *workers;
static struct service *service;
static struct feed *feed;
static char *ids[KINDS], *keys[KINDS];
static atomic_int asked, delay_ms;
static _Atomic int64_t expires_ms; /* of the keys that are asked for now */

static struct response *validate(struct request *req)
{
    static const char *const general[] = { "GENERAL" }, *const narrow[] = { "/media", "/auth/narrow/" };
    struct validate_apikey in = { 0 };
    atomic_fetch_add(&asked, 1);
    if (delay_ms)
        usleep((useconds_t)delay_ms * 1000);
    if (!request_body(req, validate_apikey_fields, &in))
        return NULL;
    for (int i = 0; i < UNKNOWN; i++) {
        if (strcmp(in.key, keys[i]) != 0)
            continue;
        struct valid_apikey out = { .id = ids[i], .name = "somebody", .rate = i == LIMITED ? 5 : 0 };
        out.expires_at = expires_ms;
        out.scopes = i == NARROW ? (struct list){ (void *)narrow, 2 } : (struct list){ (void *)general, 1 };
        return reply(req, valid_apikey_fields, &out);
    }
    return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "no such key");
}

static const struct subject subjects[] = { { .name = "auth.validate.apikey", .handler = validate }, { 0 } };

static struct service *serve_as(struct bus *on, const char *http)
{
    const struct pair metadata[] = { { "http", http }, { 0 } };
    struct service_options options = { .name = "auth",
                                       .version = "1.0.0",
                                       .description = "of a test",
                                       .subjects = subjects,
                                       .metadata = metadata,
                                       .workers = workers };
    struct service *out = service_start(&ctx, on, &options);
    cr_assert_not_null(out);
    return out;
}

static struct bus *open_bus(void)
{
    struct bus_options options = { .url = server.url, .name = "auth" };
    struct bus *out = bus_open(&ctx, &options);
    cr_assert_not_null(out);
    for (int i = 0; i < 3000 && !bus_up(out); i++)
        usleep(10000);
    cr_assert(bus_up(out));
    return out;
}

static const char *address_of(const struct backend *backend)
{
    return arena_printf(&ctx.arena, "127.0.0.1:%d", backend_port(backend));
}

static int members(const char *word)
{
    char *health = get(edge.admin_port, "/upstreams/u/health", "");
    int count = 0;
    for (const char *at = health; (at = strstr(at, word)); at++)
        count++;
    free(health);
    return count;
}

static bool has_members(void *count)
{
    return members("\"target\"") == *(int *)count;
}

static void setup(void)
{
    static const struct stream *const streams[] = { &stream_revoked, NULL };
    nats_server_create(&server, NULL);
    one = backend_start("one");
    two = backend_start("two");
    for (int i = 0; i < KINDS; i++) {
        ids[i] = id_new(&ctx.arena);
        keys[i] = apikey_make(&ctx, ids[i]);
    }
    bus = open_bus();
    cr_assert(streams_keep(&ctx, bus, streams));
    struct feed_options options = { .bus = bus, .keep_ms = 60000 };
    feed = feed_open(&ctx, &options);
    workers = workers_create(8, 8, 1000);
    service = serve_as(bus, address_of(one));
    char *url = arena_printf(&ctx.arena, "NATS_URL=%s", server.url);
    const char *const environment[] = { url, "EDGE_SECRET=0123456789abcdef-secret", NULL };
    edge_process_start(
        &edge, environment,
        "_format_version: '3.0'\n"
        "upstreams: [{name: u, targets: [{target: 'nats:auth'}]}, {name: s, targets: [{target: 'nats:solo'}]}]\n"
        "services:\n"
        "  - name: auth\n"
        "    host: u\n"
        "    routes:\n"
        "      - {name: auth, paths: [/auth], plugins: [{name: key-auth, config: {key_names: [x-api-key]}}]}\n"
        "      - {name: hidden, paths: [/hidden], plugins: [{name: key-auth, config: {key_names: [x-api-key], "
        "key_in_query: false, hide_credentials: true}}]}\n"
        "      - {name: health, paths: [/auth/health]}\n"
        "      - {name: groups, paths: [/groups], plugins: [{name: key-auth, config: {key_names: [x-api-key]}}, {name: acl, "
        "config: {allow: [GENERAL, staff]}}]}\n"
        "      - {name: scopes, paths: [/scopes], plugins: [{name: key-auth, config: {key_names: [x-api-key]}}, {name: acl, "
        "config: {allow: [GENERAL], always_use_authenticated_groups: true}}]}\n"
        "  - {name: solo, host: s, routes: [{name: solo, paths: [/solo]}]}\n"
        "  - name: plain\n"
        "    url: 'http://127.0.0.1:%d'\n"
        "    routes: [{name: plain, paths: [/plain]}]\n"
        "consumers:\n"
        "  - {username: ann, keyauth_credentials: [{key: from-the-file}]}\n"
        "  - {username: bob, custom_id: %s, acls: [{group: staff}], plugins: [{name: request-size-limiting, config: "
        "{allowed_payload_size: 1, size_unit: bytes}}]}\n",
        backend_port(two), ids[LIMITED]);
    cr_assert(eventually(30000, edge_process_ready, &edge), "%s", edge_process_log(&edge));
    cr_assert(eventually(30000, has_members, &(int){ 1 }), "%s", edge_process_log(&edge));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    service_stop(service);
    service_destroy(service);
    feed_close(feed);
    bus_close(bus, 200);
    workers_destroy(workers);
    backend_stop(one);
    backend_stop(two);
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_keys, .timeout = 180);

static char *get_with(const char *path, const char *key)
{
    char header[256] = "";
    if (key)
        snprintf(header, sizeof header, "X-API-Key: %s\r\n", key);
    return get(edge.port, path, header);
}

static int status_with(const char *path, const char *key)
{
    char *answer = get_with(path, key);
    int status = status_of(answer);
    free(answer);
    return status;
}

EDGE_TEST(edge_keys, lets_in_who_has_a_key_and_asks_once)
{
    for (int i = 0; i < 20; i++) {
        char *answer = get_with("/auth/x", keys[FULL]);
        cr_expect_eq(status_of(answer), 200, "%s", answer);
        cr_expect(has(answer, arena_printf(&ctx.arena, "x-consumer-id: %s\r\n", ids[FULL])) &&
                      has(answer, "x-consumer-username: somebody\r\n") &&
                      has(answer, arena_printf(&ctx.arena, "x-credential-identifier: %s\r\n", ids[FULL])),
                  "%s", answer);
        free(answer);
    }
    cr_expect_eq(asked, 1);
    cr_expect_eq(status_with("/auth/x", NULL), 401);
    char *answer = get(edge.port, arena_printf(&ctx.arena, "/auth/x?a=b&x-api-key=%s", keys[FULL]), "");
    cr_expect_eq(status_of(answer), 200);
    free(answer);
    answer = get(edge.port, "/auth/x", "X-API-Key: a\r\nX-API-Key: b\r\n");
    cr_expect_eq(status_of(answer), 401);
    cr_expect(has(answer, "www-authenticate: Key\r\n"));
    free(answer);
    answer = get_with("/auth/x", "from-the-file");
    cr_expect(has(answer, "x-consumer-username: ann\r\n"), "%s", answer);
    free(answer);
    cr_expect_eq(asked, 1);
}

/* A consumer of the file whose custom_id is the key's id. */
EDGE_TEST(edge_keys, have_groups_and_may_be_a_consumers)
{
    static const struct {
        const char *path, *line;
        int kind;
    } cases[] = {
        { "/groups", "\r\nx-authenticated-groups: GENERAL\r\n", FULL },
        { "/groups", "\r\nx-consumer-groups: staff\r\n", LIMITED },
        { "/scopes", "\r\nx-authenticated-groups: GENERAL\r\n", LIMITED },
        { "/groups", "\r\nx-consumer-username: bob\r\n", LIMITED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = get_with(cases[i].path, keys[cases[i].kind]);
        cr_expect_eq(status_of(answer), 200, "%s", answer);
        cr_expect(has(answer, cases[i].line), "%s: %s", cases[i].line, answer);
        free(answer);
    }
    char text[512];
    snprintf(text, sizeof text,
             "POST /auth HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
             keys[LIMITED]);
    char *answer = ask(edge.port, text);
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    free(answer);
}

EDGE_TEST(edge_keys, proves_itself_to_members_of_tonearm_only)
{
    char *answer = get_with("/auth/x", keys[FULL]);
    cr_expect(has(answer, "x-tonearm-edge: 0123456789abcdef-secret\r\n") && !has(answer, "x-tonearm-anonymous"), "%s",
              answer);
    cr_expect(has(answer, keys[FULL]));
    free(answer);
    answer = get_with("/hidden/x", keys[FULL]);
    cr_expect_not(has(answer, keys[FULL]));
    free(answer);
    answer = get_with("/auth/health", NULL);
    cr_expect(has(answer, "x-tonearm-edge: ") && has(answer, "x-tonearm-anonymous: 1\r\n"), "%s", answer);
    free(answer);
    answer = get_with("/plain/x", NULL);
    cr_expect_eq(status_of(answer), 200);
    cr_expect_not(has(answer, "x-tonearm"));
    free(answer);
}

EDGE_TEST(edge_keys, refuses_garbage_without_a_message)
{
    char wrong[128];
    strcpy(wrong, keys[FULL]);
    wrong[40] = wrong[40] == 'a' ? 'b' : 'a';
    const char *const garbage[] = { "x", "ta_", wrong,
                                    "ta_0123456789abcdef01234567_00000000000000000000000000000000000000" };
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        cr_expect_eq(status_with("/auth/x", garbage[i]), 401, "%s", garbage[i]);
    cr_expect_eq(asked, 0);
}

EDGE_TEST(edge_keys, remembers_a_refusal_for_two_seconds)
{
    for (int i = 0; i < 10; i++)
        cr_expect_eq(status_with("/auth/x", keys[UNKNOWN]), 401);
    cr_expect_eq(asked, 1);
    usleep(2100000);
    cr_expect_eq(status_with("/auth/x", keys[UNKNOWN]), 401);
    cr_expect_eq(asked, 2);
}

EDGE_TEST(edge_keys, matches_scopes_to_the_public_path)
{
    static const struct {
        const char *path;
        int status;
    } cases[] = { { "/auth/x", 403 },        { "/auth/narrow", 200 },      { "/auth/narrow/x", 200 },
                  { "/auth/narrower", 403 }, { "/auth/narrow/../x", 403 }, { "/auth/%6earrow/x", 200 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(status_with(cases[i].path, keys[NARROW]), cases[i].status, "%s", cases[i].path);
}

EDGE_TEST(edge_keys, counts_the_requests_of_a_minute)
{
    for (int i = 0; i < 5; i++) {
        char *answer = get_with("/auth/x", keys[LIMITED]);
        cr_expect_eq(status_of(answer), 200);
        cr_expect(has(answer, "ratelimit-limit: 5\r\n") &&
                      has(answer, arena_printf(&ctx.arena, "ratelimit-remaining: %d\r\n", 4 - i)),
                  "%s", answer);
        free(answer);
    }
    char *answer = get_with("/auth/x", keys[LIMITED]);
    cr_expect_eq(status_of(answer), 429);
    const char *after = strcasestr(answer, "retry-after: ");
    cr_assert(after);
    cr_expect(atoi(after + 13) >= 55 && atoi(after + 13) <= 60, "%s", answer);
    free(answer);
    cr_expect_eq(backend_requests(one), 5);
}

static void *one_cold_request(void *self)
{
    *(int *)self = status_with("/auth/x", keys[FULL]);
    return NULL;
}

EDGE_TEST(edge_keys, many_who_ask_at_a_time_make_one_question)
{
    enum { MANY = 30 };
    pthread_t threads[MANY];
    int statuses[MANY] = { 0 };
    delay_ms = 200;
    for (int i = 0; i < MANY; i++)
        pthread_create(&threads[i], NULL, one_cold_request, &statuses[i]);
    for (int i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(statuses[i], 200);
    }
    cr_expect_eq(asked, 1);
}

EDGE_TEST(edge_keys, a_client_that_does_not_wait_harms_nobody)
{
    delay_ms = 300;
    for (int i = 0; i < 10; i++) {
        int fd = dial(edge.port);
        say(fd, arena_printf(&ctx.arena, "GET /auth/x HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n\r\n", keys[FULL]));
        usleep(5000);
        close(fd);
    }
    delay_ms = 0;
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
}

static bool is_refused(void *key)
{
    return status_with("/auth/x", key) == 401;
}

EDGE_TEST(edge_keys, a_key_past_its_end_is_refused_though_it_was_known)
{
    expires_ms = clock_now_ms() + 3000;
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    cr_expect(eventually(30000, is_refused, keys[FULL]));
    cr_expect_geq(clock_now_ms(), expires_ms);
    expires_ms = 0;
}

EDGE_TEST(edge_keys, a_revoked_key_is_refused_within_a_second)
{
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    cr_assert(feed_publish(&ctx, feed, REVOKED_APIKEY, ids[FULL], 1));
    cr_expect(eventually(1000, is_refused, keys[FULL]));
    /* The answer of an auth that has not heard of it yet changes nothing. */
    usleep(2100000);
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 401);
}

static bool is_let_in(void *key)
{
    return status_with("/auth/narrow", key) == 200;
}

static bool is_doubted(void *self)
{
    return !edge_process_ready(self);
}

EDGE_TEST(edge_keys, an_outage_is_no_answer_about_a_key)
{
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    nats_server_signal(&server, SIGKILL);
    cr_assert(eventually(30000, is_doubted, &edge));
    usleep(1200000);
    /* A known key is served on, by the members that are known. */
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    int64_t begun = calm_ms();
    char *answer = get_with("/auth/x", keys[NARROW]);
    cr_expect_eq(status_of(answer), 503, "%s", answer);
    cr_expect(has(answer, "retry-after: "));
    cr_expect_lt(calm_ms() - begun, 2000);
    free(answer);
    cr_expect_eq(status_with("/auth/x", "garbage"), 401);
    nats_server_start(&server);
    cr_assert(eventually(30000, edge_process_ready, &edge));
    cr_expect(eventually(30000, is_let_in, keys[NARROW])); /* auth has to come back too */
}

/* Frozen, it is noticed by missed pings only: until then each question is asked, and nobody answers. */
EDGE_TEST(edge_keys, a_known_key_does_not_wait_long_for_a_frozen_nats)
{
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    nats_server_signal(&server, SIGSTOP);
    usleep(2300000); /* the feed is doubted */
    int64_t begun = calm_ms();
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    cr_expect_lt(calm_ms() - begun, 1000);
    nats_server_signal(&server, SIGCONT);
    cr_assert(eventually(30000, edge_process_ready, &edge));
}

EDGE_TEST(edge_keys, an_auth_that_does_not_answer_is_away)
{
    delay_ms = 3000;
    int64_t begun = calm_ms();
    cr_expect_eq(status_with("/auth/x", keys[FULL]), 503);
    cr_expect_lt(calm_ms() - begun, 2000);
    delay_ms = 0;
}

EDGE_TEST(edge_keys, members_come_and_leave)
{
    struct bus *second = open_bus();
    struct service *other = serve_as(second, address_of(two));
    cr_assert(eventually(30000, has_members, &(int){ 2 }));
    for (int i = 0; i < 20; i++)
        cr_expect_eq(status_with("/auth/x", keys[FULL]), 200);
    cr_expect_gt(backend_requests(two), 5);
    /* On its own word, at once. */
    int64_t begun = calm_ms();
    service_stop(other);
    cr_assert(eventually(30000, has_members, &(int){ 1 }));
    cr_expect_lt(calm_ms() - begun, 1000);
    service_destroy(other);
    bus_close(second, 200);
}

/* A replica that says who it is, and can fall silent without a word. */
struct replica {
    natsConnection *nc;
    natsSubscription *sub;
    char info[256];
};

static void tell(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *self)
{
    (void)sub;
    natsConnection_PublishString(nc, natsMsg_GetReply(msg), ((struct replica *)self)->info);
    natsMsg_Destroy(msg);
}

static void replica_start(struct replica *replica, const char *name, const char *http)
{
    snprintf(replica->info, sizeof replica->info, "{\"name\":\"%s\",\"id\":\"%s\",\"metadata\":{\"http\":\"%s\"}}",
             name, id_new(&ctx.arena), http);
    char *subject = arena_printf(&ctx.arena, "$SRV.INFO.%s", name);
    cr_assert_eq(natsConnection_ConnectTo(&replica->nc, server.url), NATS_OK);
    cr_assert_eq(natsConnection_Subscribe(&replica->sub, replica->nc, subject, tell, replica), NATS_OK);
}

static void replica_silence(struct replica *replica)
{
    natsSubscription_Destroy(replica->sub);
    natsConnection_Destroy(replica->nc);
}

EDGE_TEST(edge_keys, who_falls_silent_beside_others_is_gone)
{
    struct replica replica;
    replica_start(&replica, "auth", address_of(two));
    cr_assert(eventually(30000, has_members, &(int){ 2 }));
    replica_silence(&replica);
    cr_expect(eventually(30000, has_members, &(int){ 1 }));
    cr_expect_eq(status_with("/auth/health", NULL), 200);
}

/* Silence of all never empties a set. */
EDGE_TEST(edge_keys, the_last_member_stays)
{
    struct replica replica;
    replica_start(&replica, "solo", address_of(two));
    for (int i = 0; i < 3000 && status_with("/solo", NULL) != 200; i++)
        usleep(10000);
    replica_silence(&replica);
    usleep(2500000);
    cr_expect_eq(status_with("/solo", NULL), 200);
}

static void on_round(void *count, const char *subject, const char *data, size_t size)
{
    (void)subject, (void)data, (void)size;
    atomic_fetch_add((atomic_int *)count, 1);
}

static bool are_many(void *count)
{
    return *(atomic_int *)count > 4;
}

EDGE_TEST(edge_keys, addresses_outside_the_nets_are_not_taken)
{
    static atomic_int rounds;
    struct bus *second = open_bus();
    struct service *other = serve_as(second, "10.1.2.3:8010");
    cr_assert(bus_listen(&ctx, second, "$SRV.INFO.auth", on_round, &rounds));
    cr_assert(eventually(30000, are_many, &rounds));
    cr_expect_eq(members("\"target\""), 1);
    char *log = edge_process_log(&edge), *told = strstr(log, "EDGE_MEMBER_NETS");
    cr_expect(told && !strstr(told + 1, "EDGE_MEMBER_NETS"), "once, and not in each round: %s", log);
    free(log);
    service_stop(other);
    service_destroy(other);
    bus_close(second, 200);
}
