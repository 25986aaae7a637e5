/* Requests through the edge to members that stall, lie and close. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct backend *one, *two;
static struct deaf_port deaf;
static struct edge_process edge;

static const char config[] =
    "_format_version: '3.0'\n"
    "upstreams:\n"
    "  - name: both\n"
    "    targets: [{target: '127.0.0.1:%d'}, {target: '127.0.0.1:%d'}]\n"
    "  - name: half-dead\n"
    "    targets: [{target: '127.0.0.1:1'}, {target: '127.0.0.1:%d'}]\n"
    "services:\n"
    "  - {name: one, url: 'http://127.0.0.1:%d', read_timeout: 700, routes: [{name: one, paths: [/one]}]}\n"
    "  - {name: based, url: 'http://127.0.0.1:%d/base', routes: [{name: based, paths: [/based]}, {name: kept, paths: "
    "[/kept], strip_path: false}]}\n"
    "  - {name: host, url: 'http://127.0.0.1:%d', routes: [{name: host, paths: [/host], preserve_host: true}]}\n"
    "  - {name: both, host: both, routes: [{name: both, paths: [/both]}]}\n"
    "  - {name: half, host: half-dead, routes: [{name: half, paths: [/half]}]}\n"
    "  - {name: dead, url: 'http://127.0.0.1:1', routes: [{name: dead, paths: [/dead]}]}\n"
    "  - {name: nowhere, url: 'http://127.0.0.1:%d', connect_timeout: 300, retries: 0, routes: [{name: nowhere, paths: "
    "[/nowhere]}]}\n";

static void setup(void)
{
    one = backend_start("one");
    two = backend_start("two");
    int a = backend_port(one), b = backend_port(two);
    deaf = deaf_port_open();
    edge_process_start(&edge, NULL, config, a, b, b, a, a, a, deaf.port);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
    backend_stop(two);
    deaf_port_close(&deaf);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_proxy, .timeout = 60);

static void expect_get(const char *path, int status, const char *body)
{
    char *answer = get(edge.port, path, "");
    cr_expect_eq(status_of(answer), status, "%s: %s", path, answer);
    cr_expect_str_eq(body_of(answer), body, "%s: %s", path, answer);
    free(answer);
}

EDGE_TEST(edge_proxy, forwards_what_was_asked_and_says_for_whom)
{
    char *answer = get(edge.port, "/one/a//b/../c?q=1&r=%2f",
                       "X-Custom: kept\r\nX-Request-Id: my-id.1\r\nX-Forwarded-For: 9.9.9.9\r\nVia: 1.0 old\r\n");
    static const char *const lines[] = {
        "GET /a/c?q=1&r=%2f HTTP/1.1\r\n",
        "\r\nx-custom: kept\r\n",
        "\r\nx-request-id: my-id.1\r\n",
        "\r\nx-forwarded-prefix: /one\r\n",
        "\r\nx-forwarded-for: 9.9.9.9, 127.0.0.1\r\n",
        "\r\nx-real-ip: 127.0.0.1\r\n",
        "\r\nx-forwarded-proto: http\r\n",
        "\r\nx-forwarded-host: music.example:8000\r\n",
        "\r\nx-forwarded-port: 8000\r\n",
        "\r\nvia: 1.0 old, 1.1 tonearm\r\n",
        "\r\ntraceparent: 00-",
        "\r\nforwarded: for=127.0.0.1;host=\"music.example:8000\";proto=http\r\n",
    };
    cr_expect_eq(status_of(answer), 200);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect(has(body_of(answer), lines[i]), "%s in %s", lines[i], answer);
    cr_expect(has(answer, "\r\nx-request-id: my-id.1\r\n"));
    char host[64];
    snprintf(host, sizeof host, "\r\nhost: 127.0.0.1:%d\r\n", backend_port(one));
    cr_expect(has(body_of(answer), host));
    free(answer);
}

EDGE_TEST(edge_proxy, joins_the_service_path_and_what_is_left)
{
    static const struct {
        const char *path, *line;
    } cases[] = {
        { "/one", "GET / HTTP" },       { "/one?x", "GET /?x HTTP" },       { "/one/", "GET / HTTP" },
        { "/based", "GET /base HTTP" }, { "/based/x", "GET /base/x HTTP" }, { "/kept/x", "GET /base/kept/x HTTP" },
        { "/%6fne/x", "GET /x HTTP" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = get(edge.port, cases[i].path, "");
        cr_expect(has(answer, cases[i].line), "%s: %s", cases[i].path, answer);
        free(answer);
    }
    char *answer = get(edge.port, "/host/x", "");
    cr_expect(has(body_of(answer), "\r\nhost: music.example:8000\r\n"));
    free(answer);
}

EDGE_TEST(edge_proxy, passes_a_trace_on)
{
    char *answer = get(edge.port, "/one/",
                       "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n");
    cr_expect(has(body_of(answer), "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"));
    cr_expect_not(has(body_of(answer), "b7ad6b7169203331"));
    cr_expect(has(body_of(answer), "tracestate: a=b"));
    cr_expect_not(has(body_of(answer), "traceparent: bad"));
    free(answer);
}

EDGE_TEST(edge_proxy, keeps_hop_by_hop_headers_and_the_edges_own_to_itself)
{
    char *answer = get(edge.port, "/one/",
                       "Connection: X-Named\r\nX-Named: 1\r\nProxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: "
                       "trailers\r\nUpgrade: x\r\n"
                       "Proxy-Authorization: secret\r\nX-Consumer-Username: admin\r\nX-Consumer-ID: "
                       "1\r\nX-Credential-Identifier: 1\r\n"
                       "X-Tonearm-Edge: forged\r\nX-Tonearm-Anonymous: 0\r\nX-Forwarded-Host: "
                       "evil\r\nX-Forwarded-Prefix: /evil\r\nX-Real-IP: 1.1.1.1\r\n");
    static const char *const gone[] = {
        "x-named",       "proxy-connection", "keep-alive", "\r\nte:", "upgrade", "secret",          "admin",
        "x-consumer-id", "x-credential",     "x-tonearm",  "evil",    "1.1.1.1", "\r\nconnection:",
    };
    cr_expect_eq(status_of(answer), 200);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        cr_expect_not(has(body_of(answer), gone[i]), "%s in %s", gone[i], answer);
    free(answer);
    answer = get(edge.port, "/one/headers", "");
    cr_expect(has(answer, "\r\nX-Public: yes\r\n") && has(answer, "a=1") && has(answer, "b=2"));
    cr_expect_not(has(answer, "secret") || has(answer, "timeout=5") || has(answer, "leak") || has(answer, "proxy-auth"),
                  "%s", answer);
    free(answer);
}

EDGE_TEST(edge_proxy, carries_bodies_of_every_framing)
{
    static const char *const requests[] = {
        "POST /one/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "POST /one/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
        "chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "POST /one/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char *answer = ask(edge.port, requests[i]);
        cr_expect(has(answer, "\nbody: 5\n") && has(answer, "\r\ncontent-length: 5\r\n"), "%zu: %s", i, answer);
        cr_expect_not(has(answer, "transfer-encoding: chunked"));
        free(answer);
    }
    char *answer = ask(edge.port, "POST /one/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_expect(has(answer, "\r\ncontent-length: 0\r\n"));
    free(answer);
}

EDGE_TEST(edge_proxy, carries_answers_of_every_framing)
{
    char *answer = get(edge.port, "/one/chunked", "");
    cr_expect(has(answer, "transfer-encoding: chunked") && has(answer, "5\r\nhello\r\n") &&
                  has(answer, "6\r\n world\r\n0\r\n\r\n"),
              "%s", answer);
    free(answer);
    answer = get(edge.port, "/one/chunked-404", "");
    cr_expect_eq(status_of(answer), 404);
    cr_expect(has(answer, "4\r\ngone\r\n0\r\n\r\n"), "%s", answer);
    free(answer);
    answer = get(edge.port, "/one/until-close", "");
    cr_expect(has(answer, "until the end\r\n0\r\n\r\n"), "%s", answer);
    free(answer);
    answer = ask(edge.port, "GET /one/chunked HTTP/1.0\r\n\r\n");
    cr_expect(has(answer, "connection: close"), "%s", answer);
    cr_expect_str_eq(body_of(answer), "hello world");
    free(answer);
    expect_get("/one/interim", 200, "final");
    answer = ask(edge.port, "HEAD /one/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_expect_eq(status_of(answer), 200);
    cr_expect_str_eq(body_of(answer), "");
    free(answer);
    expect_get("/one/status?code=204", 204, "");
    expect_get("/one/status?code=304", 304, "");
}

EDGE_TEST(edge_proxy, keeps_a_connection_for_many_requests)
{
    int fd = dial(edge.port);
    for (int i = 0; i < 20; i++) {
        say(fd, i % 2 ? "GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n"
                      : "POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
        char *answer = hear_one(fd);
        cr_expect_eq(status_of(answer), 200, "%d: %s", i, answer);
        free(answer);
    }
    close(fd);
    cr_expect_leq(backend_connections(one), 3);
}

EDGE_TEST(edge_proxy, answers_requests_sent_ahead_in_order)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/a HTTP/1.1\r\nHost: x\r\n\r\nPOST /one/b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nokGET "
            "/one/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char *answer = hear_all(fd, 30000, NULL);
    const char *a = strstr(answer, "GET /a "), *b = strstr(answer, "POST /b "), *c = strstr(answer, "GET /c ");
    cr_expect(a && b && c && a < b && b < c, "%s", answer);
    free(answer);
    close(fd);
}

EDGE_TEST(edge_proxy, hears_an_answer_that_comes_before_the_body_is_sent)
{
    size_t size = 8 << 20;
    char *body = calloc(1, size);
    int fd = dial(edge.port);
    say(fd, "PUT /one/early HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8388608\r\n\r\n");
    say_bytes(fd, body, size);
    char *answer = hear_all(fd, 30000, NULL);
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    cr_expect_str_eq(body_of(answer), "large");
    free(answer);
    free(body);
    close(fd);
}

EDGE_TEST(edge_proxy, an_upstream_that_lies_about_its_length_is_not_believed)
{
    /* Cut short: the client must see that something is missing. */
    char *answer = get(edge.port, "/one/short", "");
    cr_expect(has(answer, "content-length: 100"));
    cr_expect_str_eq(body_of(answer), "only this");
    free(answer);
    answer = get(edge.port, "/one/chunked-cut", "");
    cr_expect_not(has(answer, "0\r\n\r\n"), "%s", answer);
    free(answer);
    answer = get(edge.port, "/one/chunked-broken", "");
    cr_expect_not(has(answer, "0\r\n\r\n"), "%s", answer);
    free(answer);
    /* Too long: what follows is nobody's answer. */
    int fd = dial(edge.port);
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /one/long HTTP/1.1\r\nHost: x\r\n\r\n");
        answer = hear_one(fd);
        cr_expect_str_eq(body_of(answer), "four");
        free(answer);
    }
    close(fd);
    answer = get(edge.port, "/one/garbage", "");
    cr_expect_eq(status_of(answer), 502);
    free(answer);
    answer = get(edge.port, "/one/huge-head", "");
    cr_expect_eq(status_of(answer), 502);
    free(answer);
}

EDGE_TEST(edge_proxy, gives_up_in_time)
{
    int64_t begun = calm_ms();
    char *answer = get(edge.port, "/one/stall?ms=3000", "");
    cr_expect_eq(status_of(answer), 504);
    cr_expect_lt(calm_ms() - begun, 1500);
    free(answer);
    begun = calm_ms();
    answer = get(edge.port, "/nowhere/", "");
    cr_expect_eq(status_of(answer), 503);
    cr_expect(has(answer, "retry-after: 1"));
    cr_expect_lt(calm_ms() - begun, 1500);
    free(answer);
    answer = get(edge.port, "/dead/", "");
    cr_expect_eq(status_of(answer), 503);
    free(answer);
    /* A byte now and then is not silence. */
    expect_get("/one/drip?ms=150", 200, "xxxxxxxxxx");
}

EDGE_TEST(edge_proxy, takes_the_next_member_when_one_cannot_be_connected_to)
{
    for (int i = 0; i < 10; i++) {
        char *answer = ask(edge.port,
                           i % 2 ? "POST /half/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
                                 : "GET /half/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        cr_expect_eq(status_of(answer), 200, "%s", answer);
        free(answer);
    }
    char *health = get(edge.admin_port, "/upstreams/half-dead/health", "");
    cr_expect(has(health, "\"UNHEALTHY\"") && has(health, "\"HEALTHY\""), "%s", health);
    free(health);
}

EDGE_TEST(edge_proxy, shares_among_members)
{
    for (int i = 0; i < 40; i++)
        free(get(edge.port, "/both/", ""));
    cr_expect_eq(backend_requests(one) + backend_requests(two), 40);
    cr_expect_geq(backend_requests(one), 15);
    cr_expect_geq(backend_requests(two), 15);
}

/* What was sent and has no answer is sent again only where that changes nothing. */
EDGE_TEST(edge_proxy, repeats_only_what_may_be_repeated)
{
    char *answer = get(edge.port, "/both/close", "");
    cr_expect_eq(status_of(answer), 502);
    cr_expect_eq(backend_requests(one) + backend_requests(two), 2);
    free(answer);
    answer = ask(edge.port, "POST /both/close HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    cr_expect_eq(status_of(answer), 502);
    cr_expect_eq(backend_requests(one) + backend_requests(two), 3);
    free(answer);
}

/* An idle connection that its member closes costs no request and repeats no POST. */
EDGE_TEST(edge_proxy, an_idle_connection_closed_by_the_upstream_costs_no_request_and_repeats_no_post)
{
    int fd = dial(edge.port);
    for (int i = 0; i < 60; i++) {
        say(fd, i % 2 ? "POST /one/close-after HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
                      : "GET /one/close-after HTTP/1.1\r\nHost: x\r\n\r\n");
        char *answer = hear_one(fd);
        cr_expect_eq(status_of(answer), 200, "%d: %s", i, answer);
        free(answer);
        if (i % 3 == 0)
            usleep(2000);
    }
    cr_expect_eq(backend_requests(one), 60);
    close(fd);
}

EDGE_TEST(edge_proxy, asks_again_when_a_kept_connection_dies_under_a_get)
{
    for (int i = 0; i < 10; i++)
        expect_get("/one/close-second", 200, "one");
}

/* A slow reader of a large answer holds kilobytes, not the answer. */
EDGE_TEST(edge_proxy, holds_back_a_member_for_a_slow_reader)
{
    int fd = dial(edge.port), room = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    long before = edge_process_memory(&edge);
    say(fd, "GET /one/big?n=300000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char scratch[4096];
    for (int i = 0; i < 30; i++) {
        cr_assert_gt(recv(fd, scratch, sizeof scratch, 0), 0);
        usleep(20000);
    }
    cr_expect_lt(edge_process_memory(&edge) - before, edge_process_sanitized() ? 65536 : 2048, "%ld KiB",
                 edge_process_memory(&edge) - before);
    close(fd);
}

EDGE_TEST(edge_proxy, carries_a_large_answer_whole)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/big?n=50000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    size_t size;
    char *answer = hear_all(fd, 30000, &size);
    cr_expect_eq(size - (size_t)(body_of(answer) - answer), 50000000u);
    free(answer);
    close(fd);
}

/* Sooner than it would end by itself. */
static void expect_nothing_under_way(int64_t within_ms)
{
    char *status = NULL;
    for (int64_t until = calm_ms() + within_ms;
         !status || (!has(status, "\"requests_under_way\":0") && calm_ms() < until); usleep(10000)) {
        free(status);
        status = get(edge.admin_port, "/status", "");
    }
    cr_expect(has(status, "\"requests_under_way\":0"), "%s", status);
    free(status);
}

EDGE_TEST(edge_proxy, streams_events_and_ends_with_the_client)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/events HTTP/1.1\r\nHost: x\r\n\r\n");
    char scratch[4096] = "";
    size_t got = 0;
    int64_t begun = calm_ms();
    while (!strstr(scratch, "data: event")) {
        ssize_t part = recv(fd, scratch + got, sizeof scratch - 1 - got, 0);
        cr_assert_gt(part, 0);
        got += (size_t)part;
        scratch[got] = 0;
    }
    cr_expect_lt(calm_ms() - begun, 500);
    close(fd);
    expect_nothing_under_way(1000); /* of two seconds */
}

EDGE_TEST(edge_proxy, a_client_that_goes_away_leaves_nothing)
{
    for (int i = 0; i < 20; i++) {
        int fd = dial(edge.port);
        struct linger hard = { .l_onoff = 1 };
        say(fd, i % 2 ? "GET /one/stall?ms=500 HTTP/1.1\r\nHost: x\r\n\r\n"
                      : "GET /one/big?n=100000000 HTTP/1.1\r\nHost: x\r\n\r\n");
        usleep(5000);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
    }
    expect_nothing_under_way(400); /* of half a second */
}

static const char upgrade[] =
    "GET /one/socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\nearly ";

static void expect_heard(int fd, const char *text)
{
    char got[256] = "";
    size_t size = 0;
    while (size < strlen(text)) {
        ssize_t part = recv(fd, got + size, sizeof got - 1 - size, 0);
        cr_assert_gt(part, 0, "%s", got);
        size += (size_t)part;
    }
    cr_expect_str_eq(got, text);
}

EDGE_TEST(edge_proxy, passes_websockets_both_ways)
{
    char head[4096];
    int fd = dial(edge.port);
    say(fd, upgrade);
    size_t size = 0;
    while (!memmem(head, size, "\r\n\r\n", 4)) {
        cr_assert_eq(recv(fd, head + size, 1, 0), 1);
        size++;
    }
    head[size] = 0;
    cr_expect_eq(status_of(head), 101);
    cr_expect(has(head, "upgrade: websocket\r\n") && has(head, "connection: upgrade\r\n") &&
                  has(head, "sec-websocket-accept: abc\r\n") && has(head, "x-request-id: "),
              "%s", head);
    expect_heard(fd, "welcomeearly ");
    for (int i = 0; i < 10; i++) {
        say(fd, "hello");
        expect_heard(fd, "hello");
    }
    close(fd);
    /* Unasked for it is no answer; and who only asks by half gets none. */
    char *answer = get(edge.port, "/one/socket", "Upgrade: websocket\r\n");
    cr_expect_eq(status_of(answer), 502, "%s", answer);
    free(answer);
    backend_last_head(one, head, sizeof head);
    cr_expect_not(has(head, "upgrade"), "%s", head);
    /* One that is open holds no stop up. */
    fd = dial(edge.port);
    say(fd, upgrade);
    cr_assert_gt(recv(fd, head, sizeof head, 0), 0);
    int64_t begun = calm_ms();
    edge_process_signal(&edge, 15);
    free(hear_all(fd, 30000, NULL));
    cr_expect_lt(calm_ms() - begun, 1500);
    close(fd);
}

/* One that has only said all it wants to say is still answered. */
EDGE_TEST(edge_proxy, answers_a_client_that_closed_its_half)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/stall?ms=100 HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(fd, SHUT_WR);
    char *answer = hear_all(fd, 30000, NULL);
    cr_expect_str_eq(body_of(answer), "late");
    free(answer);
    close(fd);
}

EDGE_TEST(edge_proxy, finishes_what_is_under_way_when_stopped)
{
    int fd = dial(edge.port), idle = dial(edge.port);
    say(fd, "GET /one/stall?ms=600 HTTP/1.1\r\nHost: x\r\n\r\n");
    usleep(100000);
    int64_t begun = calm_ms();
    edge_process_signal(&edge, 15);
    char *answer = hear_all(fd, 30000, NULL);
    cr_expect_str_eq(body_of(answer), "late");
    cr_expect_lt(calm_ms() - begun, 1500);
    free(answer);
    close(fd);
    close(idle);
}

EDGE_TEST(edge_proxy, answers_in_its_envelope)
{
    char *answer = get(edge.port, "/unknown", "X-Request-Id: r1\r\n");
    cr_expect_eq(status_of(answer), 404);
    cr_expect_str_eq(
        body_of(answer),
        "{\"code\":\"10001\",\"status\":404,\"message\":\"nothing is served at this path\",\"requestId\":\"r1\"}");
    cr_expect(has(answer, "content-type: application/json") && has(answer, "traceparent: 00-"));
    free(answer);
}
