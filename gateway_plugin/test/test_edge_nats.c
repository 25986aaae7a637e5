/* Routes that end at a NATS subject: a nats-server, services that the test plays, the edge as a process. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_fixture.h"
#include "edge_h2.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"
#include "nats/streams.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct nats_server server;
static struct edge_process edge;
static struct ctx ctx;
static struct bus *bus;
static struct workers *workers;
static struct service *service;
static natsConnection *peer;
static natsSubscription *plain;
static atomic_int heard;

/* A service with tables, as those of tonearm. */

struct wanted {
    const char *id, *q;
    int64_t limit;
    bool deep;
};

static const struct field wanted_fields[] = { FIELD("id", TEXT, struct wanted, id),
                                              FIELD("q", TEXT, struct wanted, q, .required = true),
                                              FIELD("limit", INTEGER, struct wanted, limit, .least = 1, .most = 100),
                                              FIELD("deep", FLAG, struct wanted, deep),
                                              { 0 } };

static struct response *search(struct request *req)
{
    struct wanted in = { 0 };
    if (!request_body(req, wanted_fields, &in))
        return NULL;
    if (strcmp(in.q, "slow") == 0)
        usleep(200 * 1000);
    return strcmp(in.q, "nothing") == 0 ? ctx_fail(&req->ctx, ERROR_NOT_FOUND, "there is nothing of this \"name\"")
                                        : reply(req, wanted_fields, &in);
}

static const struct subject subjects[] = { { .name = "demo.search", .handler = search, .in = wanted_fields }, { 0 } };

/* And one of the plainest kind: says what it was asked. */

static json_t *headers_of(natsMsg *msg)
{
    json_t *out = json_object();
    const char **keys = NULL;
    int count = 0;
    natsMsgHeader_Keys(msg, &keys, &count);
    for (int i = 0; i < count; i++) {
        const char **values = NULL;
        int many = 0;
        natsMsgHeader_Values(msg, keys[i], &values, &many);
        for (int j = 0; j < many; j++)
            json_object_set_new(out, keys[i], json_string(values[j]));
        free(values);
    }
    free(keys);
    return out;
}

static natsMsg *echo_of(natsMsg *msg)
{
    natsMsg *out = NULL;
    json_t *seen = json_pack("{s:s, s:s%, s:o}", "subject", natsMsg_GetSubject(msg), "data", natsMsg_GetData(msg),
                             (size_t)natsMsg_GetDataLength(msg), "headers", headers_of(msg));
    char *text = json_dumps(seen, 0);
    json_decref(seen);
    natsMsg_Create(&out, natsMsg_GetReply(msg), NULL, text, (int)strlen(text));
    free(text);
    return out;
}

static void set_special(const char *what, natsMsg *out)
{
    if (strcmp(what, "refuse") == 0) {
        natsMsgHeader_Set(out, "Nats-Service-Error-Code", "403");
        natsMsgHeader_Set(out, "Nats-Service-Error", "not you");
    } else if (strcmp(what, "nonsense") == 0) {
        natsMsgHeader_Set(out, "Nats-Service-Error-Code", "of course");
        natsMsgHeader_Set(out, "Nats-Service-Error", "what");
    } else if (strcmp(what, "made") == 0) {
        natsMsgHeader_Set(out, "tonearm-status", "201");
        natsMsgHeader_Set(out, "Content-Type", "text/plain");
        natsMsgHeader_Set(out, "Location", "/a/1");
        natsMsgHeader_Add(out, "Set-Cookie", "a=1");
        natsMsgHeader_Add(out, "Set-Cookie", "b=2");
        natsMsgHeader_Set(out, "Nats-Secret", "x");
        natsMsgHeader_Set(out, "Connection", "close");
        natsMsgHeader_Set(out, "Content-Length", "1");
        natsMsgHeader_Set(out, "X-Request-Id", "other");
    } else if (strcmp(what, "stale") == 0) {
        natsMsgHeader_Set(out, "Cache-Control", "max-age=1, stale-while-revalidate=60");
    } else if (strcmp(what, "gone") == 0) {
        natsMsgHeader_Set(out, "tonearm-status", "204");
    }
}

static void answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    const char *what = natsMsg_GetSubject(msg) + strlen("plain.");
    atomic_fetch_add(&heard, 1);
    natsMsg *out = NULL;
    if (strcmp(what, "refuse") == 0)
        natsMsg_Create(&out, natsMsg_GetReply(msg), NULL, "", 0);
    else if (strcmp(what, "mirror") == 0)
        natsMsg_Create(&out, natsMsg_GetReply(msg), NULL, natsMsg_GetData(msg), natsMsg_GetDataLength(msg));
    else
        out = echo_of(msg);
    set_special(what, out);
    if (strcmp(what, "silent") != 0)
        natsConnection_PublishMsg(nc, out);
    natsMsg_Destroy(out);
    natsMsg_Destroy(msg);
}

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - {name: search, url: 'nats://demo.search', routes: [{name: search, paths: [/search]}]}\n"
    "  - {name: echo, url: 'nats://plain.echo', routes: [{name: echo, paths: [/api/echo]}]}\n"
    "  - {name: mirror, url: 'nats://plain.mirror', routes: [{name: mirror, paths: [/mirror]}]}\n"
    "  - {name: refuse, url: 'nats://plain.refuse', routes: [{name: refuse, paths: [/refuse]}]}\n"
    "  - {name: nonsense, url: 'nats://plain.nonsense', routes: [{name: nonsense, paths: [/nonsense]}]}\n"
    "  - {name: made, url: 'nats://plain.made', routes: [{name: made, paths: [/made]}]}\n"
    "  - {name: gone, url: 'nats://plain.gone', routes: [{name: gone, paths: [/gone]}]}\n"
    "  - {name: silent, url: 'nats://plain.silent', read_timeout: 300, routes: [{name: silent, paths: [/silent]}]}\n"
    "  - {name: item, url: 'nats://plain.item.{id}.get', routes: [{name: item, paths: ['/items/{id}']}]}\n"
    "  - {name: part, url: 'nats://plain.part-{1}', routes: [{name: part, paths: ['~/parts/([a-z]+)/(?<n>\\d+)$']}]}\n"
    "  - {name: track, url: 'nats://demo.search', routes: [{name: track, paths: ['/tracks/{id}/{q}']}]}\n"
    "  - {name: changed, url: 'nats://plain.echo', routes: [{name: changed, paths: [/changed]}], plugins: [\n"
    "      {name: request-transformer, config: {http_method: PUT, remove: {headers: [x-mine]}, add: {headers: ['x-added:1'], "
    "querystring: ['z:2']}}},\n"
    "      {name: response-transformer, config: {add: {headers: ['x-back:3'], json: ['more:4']}}}]}\n"
    "  - {name: cached, url: 'nats://plain.cached', routes: [{name: cached, paths: [/cached]}], plugins: [\n"
    "      {name: proxy-cache, config: {strategy: memory, content_type: [application/json]}}]}\n"
    "  - {name: stale, url: 'nats://plain.stale', routes: [{name: stale, paths: [/stale]}], plugins: [\n"
    "      {name: proxy-cache, config: {strategy: memory, cache_control: true, content_type: [application/json]}}]}\n"
    "  - {name: nobody, url: 'nats://nobody.is.there', routes: [{name: nobody, paths: [/nobody]}]}\n"
    "plugins: [{name: prometheus}]\n";

static void setup(void)
{
    static const struct stream *const streams[] = { &stream_revoked, NULL };
    nats_server_create(&server, NULL);
    struct bus_options options = { .url = server.url, .name = "demo" };
    bus = bus_open(&ctx, &options);
    for (int i = 0; i < 3000 && !bus_up(bus); i++)
        usleep(10000);
    cr_assert(streams_keep(&ctx, bus, streams));
    workers = workers_create(8, 8, 1000);
    struct service_options demo = { .name = "demo",
                                    .version = "1.0.0",
                                    .description = "of a test",
                                    .subjects = subjects,
                                    .metadata = (const struct pair[]){ { 0 } },
                                    .workers = workers };
    service = service_start(&ctx, bus, &demo);
    cr_assert_not_null(service);
    cr_assert_eq(natsConnection_ConnectTo(&peer, server.url), NATS_OK);
    cr_assert_eq(natsConnection_Subscribe(&plain, peer, "plain.>", answer, NULL), NATS_OK);
    cr_assert_eq(natsConnection_Flush(peer), NATS_OK);
    char *url = arena_printf(&ctx.arena, "NATS_URL=%s", server.url);
    const char *const environment[] = { url, "EDGE_ACCESS_LOG=access.log", NULL };
    edge_process_start(&edge, environment, "%s", config);
    cr_assert(eventually(5000, edge_process_ready, &edge), "%s", edge_process_log(&edge));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    service_stop(service);
    service_destroy(service);
    bus_close(bus, 200);
    workers_destroy(workers);
    natsSubscription_Destroy(plain);
    natsConnection_Destroy(peer);
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

TestSuite(edge_nats, .timeout = 60);

static char *call(const char *method, const char *path, const char *headers, const char *body)
{
    char *text = arena_printf(&ctx.arena,
                              "%s %s HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n%s%s%zu\r\n\r\n%s", method,
                              path, headers, "Content-Length: ", strlen(body), body);
    return ask(edge.port, text);
}

/* What the plain service was asked. */
static json_t *asked(const char *method, const char *path, const char *headers, const char *body)
{
    char *out = call(method, path, headers, body);
    cr_assert_eq(status_of(out), 200, "%s", out);
    json_t *seen = json_loads(body_of(out), 0, NULL);
    cr_assert_not_null(seen, "%s", out);
    free(out);
    return seen;
}

static const char *header(json_t *seen, const char *name)
{
    const char *value = json_string_value(json_object_get(json_object_get(seen, "headers"), name));
    return value ? value : "(none)";
}

static const char *data(json_t *seen)
{
    return json_string_value(json_object_get(seen, "data"));
}

EDGE_TEST(edge_nats, body_query_and_headers_reach_the_service)
{
    json_t *seen = asked("POST", "/api/echo/deep?b=2&c=x%20y+z&b=3",
                         "X-Mine: yes\r\nContent-Type: application/json\r\n", "{\"a\": {\"b\": [1, 2]}, \"b\": 9}");
    cr_expect_str_eq(json_string_value(json_object_get(seen, "subject")), "plain.echo");
    cr_expect_str_eq(data(seen), "{\"b\":[\"2\",\"3\"],\"c\":\"x y z\",\"a\": {\"b\": [1, 2]}}");
    cr_expect_str_eq(header(seen, "x-mine"), "yes");
    cr_expect_str_eq(header(seen, "content-type"), "application/json");
    cr_expect_str_eq(header(seen, "tonearm-method"), "POST");
    cr_expect_str_eq(header(seen, "tonearm-path"), "/deep?b=2&c=x%20y+z&b=3");
    cr_expect_str_eq(header(seen, "tonearm-fields"), "b,c");
    cr_expect_str_eq(header(seen, "x-forwarded-for"), "127.0.0.1");
    cr_expect_str_eq(header(seen, "x-forwarded-prefix"), "/api/echo");
    cr_expect_str_eq(header(seen, "x-forwarded-host"), "example.com");
    cr_expect_eq(strlen(header(seen, "traceparent")), 55);
    cr_expect_str_eq(header(seen, "host"), "(none)");
    cr_expect_str_eq(header(seen, "content-length"), "(none)");
    json_decref(seen);
}

EDGE_TEST(edge_nats, parts_of_the_path_fill_the_subject_and_the_message)
{
    json_t *seen = asked("GET", "/items/caf%C3%A9?id=other&x=1", "", "");
    cr_expect_str_eq(json_string_value(json_object_get(seen, "subject")), "plain.item.caf\xc3\xa9.get");
    cr_expect_str_eq(data(seen), "{\"x\":\"1\"}");
    json_decref(seen);
    seen = asked("POST", "/parts/wheel/12", "", "{\"n\":0,\"m\":1}");
    cr_expect_str_eq(json_string_value(json_object_get(seen, "subject")), "plain.part-wheel");
    cr_expect_str_eq(data(seen), "{\"n\":\"12\",\"m\":1}");
    json_decref(seen);
    char *track = call("GET", "/tracks/7/moon?limit=3", "", "");
    cr_expect_str_eq(body_of(track), "{\"id\":\"7\",\"q\":\"moon\",\"limit\":3,\"deep\":false}", "%s", track);
    free(track);
}

EDGE_TEST(edge_nats, no_part_of_a_path_leads_to_another_subject)
{
    static const char *const paths[] = { "/items/a.b", "/items/*", "/items/%3E", "/items/a%20b", "/items/%0d%0aPUB" };
    int before = heard;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *out = call("GET", paths[i], "", "");
        cr_expect_eq(status_of(out), 400, "%s: %s", paths[i], out);
        free(out);
    }
    cr_expect_eq(heard, before, "nobody is asked");
}

EDGE_TEST(edge_nats, a_body_that_is_no_object_stays_as_it_is)
{
    static const char *const bodies[] = { "", "[1,2]", "a=1&b=2", "\"x\"", "{\"a\": 1 }" };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        json_t *seen = asked("PUT", "/api/echo", "", bodies[i]);
        cr_expect_str_eq(data(seen), bodies[i]);
        json_decref(seen);
    }
    json_t *seen = asked("PUT", "/api/echo?x=1", "", "[1,2]");
    cr_expect_str_eq(data(seen), "[1,2]");
    cr_expect_str_eq(header(seen, "tonearm-fields"), "(none)");
    json_decref(seen);
    char *bad = call("PUT", "/api/echo?x=1", "", "{\"a\": 1");
    cr_expect_eq(status_of(bad), 400, "%s", bad);
    free(bad);
    bad = call("GET", "/api/echo?x=%zz", "", "");
    cr_expect_eq(status_of(bad), 400, "%s", bad);
    free(bad);
}

EDGE_TEST(edge_nats, what_is_nats_own_no_client_says)
{
    json_t *seen = asked("GET", "/api/echo",
                         "Nats-Rollup: all\r\nNats-Service-Error-Code: 500\r\nStatus: 503\r\nTonearm-Deadline: 1\r\n"
                         "Tonearm-Path: /x\r\nX-Consumer-Id: me\r\nTonearm-Fields: q\r\n",
                         "");
    json_t *headers = json_object_get(seen, "headers");
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
        cr_expect(strncasecmp(name, "nats-", 5) != 0 && strcasecmp(name, "status") != 0, "%s", name);
    cr_expect_str_eq(header(seen, "tonearm-path"), "/");
    cr_expect_str_eq(header(seen, "tonearm-fields"), "(none)");
    cr_expect_str_eq(header(seen, "x-consumer-id"), "(none)");
    cr_expect_gt(strtoll(header(seen, "tonearm-deadline"), NULL, 10), clock_now_ms());
    json_decref(seen);
}

EDGE_TEST(edge_nats, errors_of_the_service_become_statuses)
{
    char *refused = call("GET", "/refuse", "", "");
    cr_expect_eq(status_of(refused), 403, "%s", refused);
    cr_expect(has(refused, "\"message\":\"not you\""), "%s", refused);
    cr_expect(has(refused, "\"requestId\""));
    free(refused);
    char *missing = call("GET", "/search?q=nothing", "", "");
    cr_expect_eq(status_of(missing), 404, "%s", missing);
    cr_expect(has(missing, "\"message\":\"there is nothing of this \\\"name\\\"\""), "%s", missing);
    free(missing);
    char *invalid = call("GET", "/search", "", "{}");
    cr_expect_eq(status_of(invalid), 400, "%s", invalid);
    free(invalid);
    char *nonsense = call("GET", "/nonsense", "", "");
    cr_expect_eq(status_of(nonsense), 500, "%s", nonsense);
    free(nonsense);
}

EDGE_TEST(edge_nats, the_services_headers_and_status_come_back)
{
    char *made = call("POST", "/made", "", "");
    cr_expect_eq(status_of(made), 201, "%s", made);
    cr_expect(has(made, "content-type: text/plain\r\n"), "%s", made);
    cr_expect(has(made, "location: /a/1\r\n"));
    cr_expect(has(made, "set-cookie: a=1\r\n") && has(made, "set-cookie: b=2\r\n"), "%s", made);
    cr_expect(!has(made, "nats-secret") && !has(made, "tonearm-status") && !has(made, "x-request-id: other"), "%s",
              made);
    free(made);
    char *gone = call("DELETE", "/gone", "", "");
    cr_expect_eq(status_of(gone), 204, "%s", gone);
    cr_expect(!has(gone, "content-length"), "%s", gone);
    cr_expect_str_eq(body_of(gone), "");
    free(gone);
}

EDGE_TEST(edge_nats, a_service_reads_numbers_of_the_query_by_its_table)
{
    char *found = call("GET", "/search?q=1984&limit=5&deep=true", "", "");
    cr_expect_eq(status_of(found), 200, "%s", found);
    cr_expect_str_eq(body_of(found), "{\"q\":\"1984\",\"limit\":5,\"deep\":true}");
    cr_expect(has(found, "content-type: application/json\r\n"), "%s", found);
    free(found);
    char *wrong = call("GET", "/search?q=x&limit=many", "", "");
    cr_expect_eq(status_of(wrong), 400, "%s", wrong);
    free(wrong);
    char *body = call("POST", "/search", "", "{\"q\":\"x\",\"limit\":\"5\"}");
    cr_expect_eq(status_of(body), 400, "a body says its types itself: %s", body);
    free(body);
}

EDGE_TEST(edge_nats, nobody_who_listens_is_503_and_nobody_who_answers_504)
{
    int64_t begun = calm_ms();
    char *nobody = call("GET", "/nobody", "", "");
    cr_expect_eq(status_of(nobody), 503, "%s", nobody);
    cr_expect(has(nobody, "retry-after: 1\r\n"), "%s", nobody);
    cr_expect_lt(calm_ms() - begun, 2000);
    free(nobody);
    int64_t asked_ms = clock_ms();
    begun = calm_ms();
    char *silent = call("GET", "/silent", "", "");
    cr_expect_eq(status_of(silent), 504, "%s", silent);
    cr_expect(clock_ms() - asked_ms >= 290 && calm_ms() - begun < 3000, "%lld", (long long)(calm_ms() - begun));
    cr_expect_eq(heard, 1, "it is asked once");
    free(silent);
}

static bool answers(void *status)
{
    char *out = call("GET", "/api/echo", "", "");
    bool is = status_of(out) == *(int *)status;
    free(out);
    return is;
}

EDGE_TEST(edge_nats, without_nats_503_at_once_and_with_it_again_200)
{
    nats_server_signal(&server, SIGKILL);
    cr_expect(eventually(30000, answers, &(int){ 503 }));
    int64_t begun = calm_ms();
    cr_expect(answers(&(int){ 503 }));
    cr_expect_lt(calm_ms() - begun, 1000);
    nats_server_start(&server);
    cr_expect(eventually(30000, answers, &(int){ 200 }), "%s", edge_process_log(&edge));
}

static void *ask_slow(void *status)
{
    *(int *)status = 0;
    char *out = get(edge.port, "/search?q=slow", "");
    *(int *)status = status_of(out);
    free(out);
    return NULL;
}

EDGE_TEST(edge_nats, questions_do_not_wait_for_each_other)
{
    enum { COUNT = 8 };
    pthread_t threads[COUNT];
    int statuses[COUNT];
    int64_t begun = calm_ms();
    for (int i = 0; i < COUNT; i++)
        pthread_create(&threads[i], NULL, ask_slow, &statuses[i]);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(statuses[i], 200);
    }
    cr_expect_lt(calm_ms() - begun, COUNT * 200);
}

EDGE_TEST(edge_nats, a_mebibyte_each_way_and_no_more)
{
    enum { FITS = 1000 * 1000, TOO_MUCH = (1 << 20) + 1 };
    char *body = malloc(TOO_MUCH + 1);
    memset(body, 'x', TOO_MUCH);
    body[TOO_MUCH] = 0;
    char *large = call("POST", "/mirror", "", body);
    cr_expect_eq(status_of(large), 413, "%.300s", large);
    cr_expect(has(large, "1 MiB"), "%.300s", large);
    free(large);
    body[FITS] = 0;
    char *fits = call("POST", "/mirror", "", body);
    cr_expect_eq(status_of(fits), 200, "%.300s", fits);
    cr_expect_str_eq(body_of(fits), body);
    free(fits);
    free(body);
}

EDGE_TEST(edge_nats, a_client_that_goes_away_leaves_nothing_behind)
{
    for (int i = 0; i < 20; i++) {
        int fd = dial(edge.port);
        say(fd, i % 2 ? "GET /search?q=slow HTTP/1.1\r\nHost: a\r\n\r\n" : "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
        usleep(5000);
        close(fd);
    }
    cr_expect(answers(&(int){ 200 }));
}

EDGE_TEST(edge_nats, plugins_change_what_is_asked_and_answered)
{
    char *out = call("GET", "/changed/p?y=1", "X-Mine: yes\r\n", "");
    cr_expect_eq(status_of(out), 200, "%s", out);
    cr_expect(has(out, "x-back: 3\r\n"), "%s", out);
    json_t *seen = json_loads(strchr(body_of(out), '{'), JSON_DISABLE_EOF_CHECK, NULL); /* it came in a chunk */
    cr_assert_not_null(seen, "%s", out);
    cr_expect_str_eq(header(seen, "x-mine"), "(none)");
    cr_expect_str_eq(header(seen, "x-added"), "1");
    cr_expect_str_eq(header(seen, "tonearm-method"), "PUT");
    cr_expect_str_eq(header(seen, "tonearm-path"), "/p?y=1&z=2");
    cr_expect_str_eq(data(seen), "{\"y\":\"1\",\"z\":\"2\"}");
    cr_expect_not_null(json_object_get(seen, "more"));
    json_decref(seen);
    free(out);
}

static const char *cached(const char *path)
{
    char *out = call("GET", path, "", "");
    cr_expect_eq(status_of(out), 200, "%s", out);
    const char *found = strcasestr(out, "x-cache-status: ");
    const char *status = found ? arena_strdup(&ctx.arena, found + 16) : "(none)";
    free(out);
    return arena_printf(&ctx.arena, "%.*s", (int)strcspn(status, "\r"), status);
}

/* What lives a second is kept for one: where the machine took longer for two requests, two others say it. */
static const char *kept_for_a_second(void)
{
    for (int i = 0;; i++) {
        const char *path = arena_printf(&ctx.arena, "/stale?n=%d", i);
        int64_t begun = clock_ms();
        cr_assert_str_eq(cached(path), "Miss");
        const char *second = cached(path);
        if (clock_ms() - begun > 900 && i < 20)
            continue;
        cr_expect_str_eq(second, "Hit");
        return path;
    }
}

static bool is_refreshed(void *path)
{
    const char *status = cached(path);
    cr_assert(strcmp(status, "Hit") == 0 || strcmp(status, "Refresh") == 0, "%s", status);
    return *status == 'R';
}

EDGE_TEST(edge_nats, answers_are_cached)
{
    cr_expect_str_eq(cached("/cached"), "Miss");
    cr_expect_str_eq(cached("/cached"), "Hit");
    cr_expect_str_eq(cached("/cached?x"), "Miss");
    cr_expect_eq(heard, 2);
    const char *path = kept_for_a_second();
    int before = heard;
    cr_expect(eventually(30000, is_refreshed, (void *)path));
    cr_expect_eq(heard, before + 1, "asked anew, and not behind the client's back");
    char *changed = call("PUT", "/cached", "", "{}");
    cr_expect_eq(status_of(changed), 200, "%s", changed);
    free(changed);
    cr_expect_str_eq(cached("/cached"), "Miss", "what is changed is not what it was");
}

static bool is_logged(void *name)
{
    char path[128], text[4096] = "";
    snprintf(path, sizeof path, "%s/access.log", edge.dir);
    FILE *file = fopen(path, "r");
    bool out = file && fread(text, 1, sizeof text - 1, file) > 0 && strstr(text, name);
    if (file)
        fclose(file);
    return out;
}

EDGE_TEST(edge_nats, stands_in_the_access_log)
{
    json_decref(asked("GET", "/api/echo/x?token=sesame", "", ""));
    cr_expect(eventually(5000, is_logged, "\"upstream_status\":\"200\",\"upstream_uri\":\"nats://plain.echo\""));
    cr_expect(!is_logged("sesame"));
}

EDGE_TEST(edge_nats, head_has_no_body)
{
    char *out = ask(edge.port, "HEAD /api/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    cr_expect_eq(status_of(out), 200, "%s", out);
    cr_expect_str_eq(body_of(out), "");
    free(out);
}

EDGE_TEST(edge_nats, over_http2_too)
{
    char body[8192] = "";
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/api/echo?a=1");
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect(has(body, "{\\\"a\\\":\\\"1\\\"}"), "%s", body);
    h2_get(fd, 3, "/search?q=nothing");
    cr_expect_eq(h2_answer(fd, 3, body, sizeof body), 404);
    h2_get(fd, 5, "/search?q=slow");
    h2_send(fd, H2_RST_STREAM, 0, 5, "\0\0\0\10", 4);
    h2_get(fd, 7, "/made");
    cr_expect_eq(h2_answer(fd, 7, body, sizeof body), 201);
    close(fd);
}
