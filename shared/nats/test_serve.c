#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/text.h"
#include "contract/messages.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct nats_server server;
static struct bus *bus;
static struct workers *workers;
static struct service *service;
static struct ctx ctx;
static natsConnection *client;
static int handled;
static bool held; /* slow() waits for its end: by __atomic */

static struct response *echo(struct request *req)
{
    struct by_id in = { 0 };
    return request_body(req, by_id_fields, &in) ? reply(req, by_id_fields, &in) : NULL;
}

static struct response *slow(struct request *req)
{
    sleep_ms(100);
    while (__atomic_load_n(&held, __ATOMIC_SEQ_CST))
        sleep_ms(1);
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
    return echo(req);
}

static struct response *fail(struct request *req)
{
    static const enum error_code codes[] = { ERROR_INVALID,  ERROR_UNAUTHORIZED, ERROR_FORBIDDEN,   ERROR_NOT_FOUND,
                                             ERROR_CONFLICT, ERROR_LIMITED,      ERROR_UNAVAILABLE, ERROR_INTERNAL };
    struct by_id in = { 0 };
    if (!request_body(req, by_id_fields, &in))
        return NULL;
    return ctx_fail(&req->ctx, codes[in.id[0] - '0'], "because of %s", in.id);
}

static struct response *who(struct request *req)
{
    const char *text = arena_printf(&req->ctx.arena, "%s %s %s %s", (const char *)req->service, req->path,
                                    req->ctx.request_id,
                                    request_header(req, "x-other") ? request_header(req, "x-other") : "-");
    struct by_id out = { .id = text };
    return reply(req, by_id_fields, &out);
}

static const struct subject subjects[] = {
    { .name = "demo.echo", .handler = echo, .in = by_id_fields, .out = by_id_fields, .summary = "says it again" },
    { .name = "demo.slow", .handler = slow, .in = by_id_fields },
    { .name = "demo.fail", .handler = fail, .in = by_id_fields },
    { .name = "demo.at.once", .handler = who, .on_delivery = true },
    { 0 },
};
static const struct subject more[] = { { .name = "demo.more", .handler = who }, { 0 } };

/* "200 body", or "404 text" of a service error, "timeout". */
static const char *ask_with(const char *subject, const char *body, const char *header, const char *value,
                            int timeout_ms)
{
    static __thread char out[8192];
    natsMsg *msg = NULL, *answer = NULL;
    const char *code = NULL, *text = NULL;
    natsMsg_Create(&msg, subject, NULL, body, (int)strlen(body));
    if (header)
        natsMsgHeader_Set(msg, header, value);
    natsStatus status = natsConnection_RequestMsg(&answer, client, msg, timeout_ms);
    natsMsg_Destroy(msg);
    if (status == NATS_NO_RESPONDERS)
        return "nobody";
    if (status != NATS_OK)
        return "timeout";
    if (natsMsgHeader_Get(answer, "Nats-Service-Error-Code", &code) == NATS_OK &&
        natsMsgHeader_Get(answer, "Nats-Service-Error", &text) == NATS_OK)
        snprintf(out, sizeof out, "%s %s", code, text);
    else
        snprintf(out, sizeof out, "200 %.*s", natsMsg_GetDataLength(answer), natsMsg_GetData(answer));
    natsMsg_Destroy(answer);
    return out;
}

static const char *ask(const char *subject, const char *body)
{
    return ask_with(subject, body, NULL, NULL, 20000);
}

/* The last of the subscriptions that a service has. */
static bool is_served(void *self)
{
    (void)self;
    return text_starts(ask("demo.echo", "{\"id\":\"x\"}"), "200 ") &&
           text_starts(ask("$SRV.STATS.demo.abc123", ""), "200 ");
}

static bool up(void *self)
{
    return bus_up(self);
}

static void start(size_t threads, size_t room)
{
    nats_server_create(&server, NULL);
    struct bus_options options = { .url = server.url, .name = "demo", .instance = "abc123" };
    bus = bus_open(&ctx, &options);
    cr_assert(eventually(30000, up, bus));
    workers = workers_create(threads, 1, room);
    const struct pair metadata[] = { { "http", "127.0.0.1:8010" }, { 0 } };
    const struct subject_mount mounts[] = { { more, "second" }, { 0 } };
    struct service_options as = { .name = "demo",
                                  .version = "1.2.3",
                                  .description = "for tests",
                                  .subjects = subjects,
                                  .service = "first",
                                  .mounts = mounts,
                                  .metadata = metadata,
                                  .workers = workers };
    service = service_start(&ctx, bus, &as);
    cr_assert_not_null(service);
    cr_assert_eq(natsConnection_ConnectTo(&client, server.url), NATS_OK);
    cr_assert(eventually(30000, is_served, NULL)); /* the subscriptions are made by the sender's thread */
}

static void finish(void)
{
    service_stop(service);
    workers_drain(workers, 2000);
    workers_destroy(workers);
    service_destroy(service);
    bus_close(bus, 500);
    natsConnection_Destroy(client);
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

Test(serve, answers_and_tells_errors_in_headers)
{
    start(4, 16);
    cr_expect_str_eq(ask("demo.echo", "{\"id\":\"x\"}"), "200 {\"id\":\"x\"}");
    static const char *const bad[] = { "", "not json", "{", "[]", "{\"id\":7}", "{}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(text_starts(ask("demo.echo", bad[i]), "400 "), "%s: %s", bad[i], ask("demo.echo", bad[i]));
    static const int codes[] = { 400, 401, 403, 404, 409, 429, 503 };
    for (int i = 0; i < 7; i++) {
        char body[32], expected[64];
        snprintf(body, sizeof body, "{\"id\":\"%d\"}", i);
        snprintf(expected, sizeof expected, "%d because of %d", codes[i], i);
        cr_expect_str_eq(ask("demo.fail", body), expected);
    }
    cr_expect_str_eq(ask("demo.fail", "{\"id\":\"7\"}"), "500 something went wrong", "nothing of our insides");
    finish();
}

Test(serve, tells_who_came_through_the_edge_in_their_language)
{
    start(4, 16);
    cr_expect_str_eq(ask_with("demo.at.once", "junk", "tonearm-path", "/a?b=c&locale=de", 20000),
                     "400 Die Nachricht ist kein JSON");
    cr_expect_str_eq(ask_with("demo.fail", "{\"id\":\"7\"}", "tonearm-path", "/a?locale=fr", 20000),
                     "500 Une erreur s'est produite");
    cr_expect_str_eq(ask_with("demo.at.once", "junk", "tonearm-path", "/a", 20000), "400 the message is not JSON");
    cr_expect_str_eq(ask_with("demo.at.once", "junk", "tonearm-path", "/%zz?locale=de", 20000),
                     "400 the message is not JSON");
    cr_expect_str_eq(ask_with("demo.at.once", "junk", "accept-language", "de", 20000), "400 the message is not JSON",
                     "no person asks");
    finish();
}

Test(serve, gives_each_table_its_own_service_and_the_request_its_context)
{
    start(4, 16);
    cr_expect_str_eq(ask_with("demo.at.once", "", "x-request-id", "r-1", 20000),
                     "200 {\"id\":\"first demo.at.once r-1 -\"}");
    cr_expect_str_eq(ask_with("demo.at.once", "junk", "x-request-id", "r-1", 20000), "400 the message is not JSON");
    const char *made = ask_with("demo.more", "{}", "X-Other", "thing", 20000);
    cr_expect(text_starts(made, "200 {\"id\":\"second demo.more ") && text_ends(made, " thing\"}"), "%s", made);
    finish();
}

static void *ask_slow(void *out)
{
    *(bool *)out = text_starts(ask("demo.slow", "{\"id\":\"x\"}"), "200 ");
    return NULL;
}

Test(serve, ten_slow_requests_take_as_long_as_one)
{
    start(12, 16);
    pthread_t threads[10];
    bool good[10] = { 0 };
    int64_t begin = calm_ms();
    for (int i = 0; i < 10; i++)
        pthread_create(&threads[i], NULL, ask_slow, &good[i]);
    for (int i = 0; i < 10; i++) {
        pthread_join(threads[i], NULL);
        cr_expect(good[i]);
    }
    cr_expect_lt(calm_ms() - begin, 500, "%d ms, one after the other takes 1000", (int)(calm_ms() - begin));
    finish();
}

static void count_answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)nc;
    (void)sub;
    const char *code = NULL;
    int *counts = closure;
    natsMsgHeader_Get(msg, "Nats-Service-Error-Code", &code);
    __atomic_add_fetch(&counts[code && text_equal(code, "503")], 1, __ATOMIC_SEQ_CST);
    natsMsg_Destroy(msg);
}

static bool thirty_refused(void *self)
{
    return __atomic_load_n(&((const int *)self)[1], __ATOMIC_SEQ_CST) >= 30;
}

static bool forty(void *self)
{
    const int *counts = self;
    return __atomic_load_n(&counts[0], __ATOMIC_SEQ_CST) + __atomic_load_n(&counts[1], __ATOMIC_SEQ_CST) == 40;
}

Test(serve, a_full_lane_is_told_by_the_delivery_thread_at_once)
{
    start(2, 4);
    int counts[2] = { 0 };
    natsSubscription *sub = NULL;
    natsConnection_Subscribe(&sub, client, "_INBOX.mine", count_answer, counts);
    __atomic_store_n(&held, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 40; i++)
        natsConnection_PublishRequestString(client, "demo.slow", "_INBOX.mine", "{\"id\":\"x\"}");
    natsConnection_Flush(client);
    cr_expect(eventually(30000, thirty_refused, counts), "refused before the first is done: %d", counts[1]);
    cr_expect_eq(__atomic_load_n(&counts[0], __ATOMIC_SEQ_CST), 0);
    __atomic_store_n(&held, false, __ATOMIC_SEQ_CST);
    cr_expect(eventually(30000, forty, counts), "each was answered");
    cr_expect_geq(counts[0], 4);
    natsSubscription_Destroy(sub);
    finish();
}

Test(serve, drops_what_is_past_its_deadline_and_answers_inboxes_only)
{
    start(4, 16);
    char past[32], soon[32];
    snprintf(past, sizeof past, "%lld", (long long)clock_now_ms() - 1);
    snprintf(soon, sizeof soon, "%lld", (long long)clock_now_ms() + 20000);
    cr_expect_str_eq(ask_with("demo.slow", "{\"id\":\"x\"}", "tonearm-deadline", past, 300), "timeout");
    cr_expect_eq(__atomic_load_n(&handled, __ATOMIC_SEQ_CST), 0);
    cr_expect(text_starts(ask_with("demo.slow", "{\"id\":\"x\"}", "tonearm-deadline", soon, 20000), "200 "));

    natsSubscription *sub = NULL;
    natsMsg *msg = NULL;
    natsConnection_SubscribeSync(&sub, client, "auth.session.revoked");
    natsConnection_PublishRequestString(client, "demo.echo", "auth.session.revoked", "{\"id\":\"x\"}");
    cr_expect_eq(natsSubscription_NextMsg(&msg, sub, 300), NATS_TIMEOUT, "made to speak in its own name");
    natsSubscription_Destroy(sub);
    finish();
}

/* The handler's word of what was sent `ago_ms` by a clock that is `ahead_ms`, by somebody who waits 5 s. */
static const char *ask_sent(int64_t ahead_ms, int64_t ago_ms, int timeout_ms)
{
    natsMsg *msg = NULL, *answer = NULL;
    char deadline[32];
    snprintf(deadline, sizeof deadline, "%lld", (long long)(clock_now_ms() + ahead_ms - ago_ms + 5000));
    natsMsg_Create(&msg, "demo.echo", NULL, "{\"id\":\"x\"}", 10);
    natsMsgHeader_Set(msg, "tonearm-deadline", deadline);
    natsMsgHeader_Set(msg, "tonearm-patience", "5000");
    natsStatus status = natsConnection_RequestMsg(&answer, client, msg, timeout_ms);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(answer);
    return status == NATS_OK ? "answered" : "timeout";
}

Test(serve, answers_who_has_another_clock_and_drops_what_waited)
{
    static const int64_t ahead[] = { 60000, 0, -60000 };
    start(4, 16);
    for (int i = 0; i < 3; i++) {
        natsConnection_Destroy(client); /* each is another sender */
        cr_assert_eq(natsConnection_ConnectTo(&client, server.url), NATS_OK);
        cr_expect_str_eq(ask_sent(ahead[i], 0, 20000), "answered");
        cr_expect_str_eq(ask_sent(ahead[i], 20000, 300), "timeout");
        cr_expect_str_eq(ask_sent(ahead[i], 0, 20000), "answered");
    }
    finish();
}

static json_t *discover(const char *subject)
{
    const char *text = ask(subject, "");
    cr_assert(text_starts(text, "200 "), "%s: %s", subject, text);
    json_t *out = json_loads(text + 4, 0, NULL);
    cr_assert_not_null(out, "%s", text);
    return out;
}

static const char *text_of(json_t *object, const char *name)
{
    const char *out = json_string_value(json_object_get(object, name));
    return out ? out : "(none)";
}

Test(serve, speaks_the_service_protocol)
{
    start(4, 16);
    static const struct {
        const char *verb, *type;
    } verbs[] = { { "PING", "io.nats.micro.v1.ping_response" },
                  { "INFO", "io.nats.micro.v1.info_response" },
                  { "STATS", "io.nats.micro.v1.stats_response" } };
    static const char *const ends[] = { "", ".demo", ".demo.abc123" };
    for (int i = 0; i < 9; i++) {
        char subject[64];
        snprintf(subject, sizeof subject, "$SRV.%s%s", verbs[i / 3].verb, ends[i % 3]);
        json_t *got = discover(subject);
        cr_expect_str_eq(text_of(got, "type"), verbs[i / 3].type);
        cr_expect_str_eq(text_of(got, "name"), "demo");
        cr_expect_str_eq(text_of(got, "id"), "abc123");
        cr_expect_str_eq(text_of(got, "version"), "1.2.3");
        cr_expect_str_eq(text_of(json_object_get(got, "metadata"), "http"), "127.0.0.1:8010");
        json_decref(got);
    }
    cr_expect_str_eq(ask("$SRV.PING.other", ""), "nobody");
    finish();
}

Test(serve, counts_each_endpoint)
{
    start(4, 16);
    ask("demo.slow", "{\"id\":\"x\"}");
    ask("demo.fail", "{\"id\":\"3\"}");
    ask("demo.fail", "{\"id\":\"4\"}");
    json_t *stats = discover("$SRV.STATS.demo"), *endpoints = json_object_get(stats, "endpoints");
    cr_assert_eq(json_array_size(endpoints), 5);
    json_t *slow_one = json_array_get(endpoints, 1), *fail_one = json_array_get(endpoints, 2);
    cr_expect_str_eq(text_of(slow_one, "name"), "slow");
    cr_expect_str_eq(text_of(slow_one, "subject"), "demo.slow");
    cr_expect_str_eq(text_of(slow_one, "queue_group"), "q");
    cr_expect_eq(json_integer_value(json_object_get(slow_one, "num_requests")), 1);
    cr_expect_eq(json_integer_value(json_object_get(slow_one, "num_errors")), 0);
    cr_expect_geq(json_integer_value(json_object_get(slow_one, "average_processing_time")), 100000000);
    cr_expect_eq(json_integer_value(json_object_get(fail_one, "num_requests")), 2);
    cr_expect_eq(json_integer_value(json_object_get(fail_one, "num_errors")), 2);
    cr_expect_str_eq(text_of(fail_one, "last_error"), "409:because of 4");
    int64_t started = 0;
    cr_expect(clock_parse(text_of(stats, "started"), &started) && started > clock_now_ms() - 60000);
    json_decref(stats);
    finish();
}

Test(serve, stopping_says_leave_and_finishes_what_is_under_way)
{
    start(8, 64);
    natsSubscription *left = NULL, *sub = NULL;
    natsMsg *msg = NULL;
    int counts[2] = { 0 };
    natsConnection_SubscribeSync(&left, client, "tonearm.leave");
    natsConnection_Subscribe(&sub, client, "_INBOX.mine", count_answer, counts);
    for (int i = 0; i < 40; i++)
        natsConnection_PublishRequestString(client, "demo.slow", "_INBOX.mine", "{\"id\":\"x\"}");
    natsConnection_Flush(client);
    service_stop(service);
    cr_expect_str_eq(ask("demo.echo", "{\"id\":\"x\"}"), "nobody");
    cr_expect_eq(natsSubscription_NextMsg(&msg, left, 30000), NATS_OK);
    cr_expect_str_eq(natsMsg_GetData(msg), "{\"id\":\"abc123\"}");
    natsMsg_Destroy(msg);
    cr_expect(workers_drain(workers, 30000));
    cr_expect(eventually(30000, forty, counts), "%d of 40", counts[0]);
    cr_expect_eq(counts[1], 0);
    natsSubscription_Destroy(sub);
    natsSubscription_Destroy(left);
    workers_destroy(workers);
    service_destroy(service);
    bus_close(bus, 500);
    natsConnection_Destroy(client);
    nats_server_destroy(&server);
}

static bool pings(void *self)
{
    (void)self;
    return text_starts(ask("$SRV.PING.demo.abc123", ""), "200 {\"type\":\"io.nats.micro.v1.ping_response\"");
}

Test(serve, is_there_again_after_an_outage)
{
    start(4, 16);
    for (int round = 0; round < 2; round++) {
        nats_server_signal(&server, SIGKILL);
        nats_server_start(&server);
        natsConnection_Destroy(client);
        cr_assert_eq(natsConnection_ConnectTo(&client, server.url), NATS_OK);
        cr_expect(eventually(30000, pings, NULL));
        cr_expect_str_eq(ask("demo.echo", "{\"id\":\"x\"}"), "200 {\"id\":\"x\"}");
    }
    finish();
}

/* What `nats ARGS` prints, run against the test's server; "" where it fails. */
static const char *nats_command(const char *args)
{
    static char out[16384];
    char command[1024];
    snprintf(command, sizeof command, "timeout 60 '%s/run/bin/nats' --no-context --server %s --timeout 5s %s 2>&1",
             getenv("ROOT"), server.url, args);
    FILE *pipe = popen(command, "r");
    size_t size = fread(out, 1, sizeof out - 1, pipe);
    out[size] = '\0';
    cr_expect_eq(pclose(pipe), 0, "%s: %s", args, out);
    return out;
}

static bool nats_command_missing(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/run/bin/nats", getenv("ROOT"));
    return access(path, X_OK) != 0;
}

Test(serve, the_nats_command_knows_it)
{
    if (nats_command_missing()) {
        cr_assert(!text_equal(getenv("CI"), "true"), "run/bin/nats is missing");
        cr_skip_test("run/bin/nats is missing");
    }
    start(4, 16);
    ask("demo.echo", "{\"id\":\"x\"}");
    const char *list = nats_command("micro list");
    cr_expect(strstr(list, "demo") && strstr(list, "1.2.3") && strstr(list, "abc123"), "%s", list);
    const char *info = nats_command("micro info demo");
    cr_expect(strstr(info, "for tests") && strstr(info, "demo.at.once") && strstr(info, "127.0.0.1:8010"), "%s", info);
    const char *stats = nats_command("micro stats demo");
    cr_expect(strstr(stats, "abc123") && strstr(stats, "1"), "%s", stats);
    const char *ping = nats_command("micro ping");
    cr_expect(strstr(ping, "demo") && strstr(ping, "abc123"), "%s", ping);
    json_t *all = json_loads(nats_command("micro info demo --json"), JSON_DISABLE_EOF_CHECK, NULL);
    cr_expect_not_null(all);
    json_decref(all);
    const char *answer = nats_command("request demo.echo '{\"id\":\"y\"}'");
    cr_expect(strstr(answer, "{\"id\":\"y\"}"), "%s", answer);
    finish();
}
