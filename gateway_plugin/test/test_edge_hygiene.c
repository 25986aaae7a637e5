/* What h2o 2.2.5 lets pass and the edge does not: a test for each row of what was found. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct backend *member;
static struct edge_process edge;

static void setup(void)
{
    static const char *const environment[] = { "BODY_MAX=2M", NULL };
    member = backend_start("one");
    edge_process_start(&edge, environment,
                       "_format_version: '3.0'\n"
                       "services:\n"
                       "  - {name: one, url: 'http://127.0.0.1:%d', routes: [{name: one, paths: [/one]}, {name: small, "
                       "paths: [/small], plugins: [{name: "
                       "request-size-limiting, config: {allowed_payload_size: 10, size_unit: bytes}}]}]}\n",
                       backend_port(member));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(member);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_hygiene, .timeout = 60);

EDGE_TEST(edge_hygiene, heads_with_two_readings_reach_nobody)
{
    static const char *const heads[] = {
        "GET /one/ HTTP/1.1\r\n\r\n",
        "GET /one/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /one/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /one/ HTTP/1.1\nHost: a\n\n",
        "GET /one/ HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        "GET http://a/one/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GE(T /one/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "TRACE /one/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /one/a%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /one/%2e%2e/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char *answer = ask(edge.port, heads[i]);
        cr_expect_eq(status_of(answer), 400, "%s: %s", heads[i], answer);
        cr_expect(has(answer, "\"code\":\"10001\",\"status\":400") && has(answer, "connection: close"), "%s", answer);
        free(answer);
    }
    cr_expect_eq(backend_requests(member), 0);
}

/* The same behind a good request, in the same packet: h2o parses it before anybody can look. */
EDGE_TEST(edge_hygiene, also_not_behind_another_request)
{
    static const char *const heads[] = {
        "GET /one/evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://a/one/evil HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /one/evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "TRACE /one/evil HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /one/evil HTTP/1.1\nHost: a\n\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char text[1024];
        snprintf(text, sizeof text, "GET /one/good HTTP/1.1\r\nHost: a\r\n\r\n%s", heads[i]);
        char *answer = ask(edge.port, text);
        cr_expect(has(answer, "HTTP/1.1 200") && has(answer, "HTTP/1.1 400"), "%s: %s", heads[i], answer);
        free(answer);
    }
    char head[4096];
    backend_last_head(member, head, sizeof head);
    cr_expect_not(has(head, "evil"));
    cr_expect_eq(backend_requests(member), 5);
}

/* Chunks that came with the request before were decoded unseen: nothing is read after them. */
EDGE_TEST(edge_hygiene, reads_nothing_after_chunks_that_nobody_looked_at)
{
    char *answer = ask(edge.port, "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n"
                                  "POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\n\r\n"
                                  "GET /one/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_not(has(answer, "smuggled"), "%s", answer);
    free(answer);
}

EDGE_TEST(edge_hygiene, bounds_heads)
{
    char *text = calloc(1, 500000);
    strcpy(text, "GET /one/ HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + strlen(text), 'x', 400000);
    strcat(text, "\r\n\r\n");
    char *answer = ask(edge.port, text);
    cr_expect_eq(status_of(answer), 431);
    free(answer);
    strcpy(text, "GET /one/ HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 150; i++)
        strcat(text, "X: y\r\n");
    strcat(text, "\r\n");
    answer = ask(edge.port, text);
    cr_expect_eq(status_of(answer), 431, "%s", answer);
    free(answer);
    free(text);
    cr_expect_eq(backend_requests(member), 0);
}

static void expect_too_large(const char *head, size_t size)
{
    char *body = calloc(1, size);
    int fd = dial(edge.port);
    say(fd, head);
    say_bytes(fd, body, size);
    char *answer = hear_all(fd, 3000, NULL);
    cr_expect_eq(status_of(answer), 413, "%s: %s", head, answer);
    cr_expect(has(answer, "tus"));
    free(answer);
    free(body);
    close(fd);
}

EDGE_TEST(edge_hygiene, bounds_bodies_and_says_what_to_do)
{
    expect_too_large("POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n", 3000000);
    expect_too_large("POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n", 0);
    expect_too_large("POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n", 3000000);
    cr_expect_eq(backend_requests(member), 0);
    char *answer = ask(
        edge.port, "POST /small/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 11\r\n\r\n12345678901");
    cr_expect_eq(status_of(answer), 413);
    free(answer);
    answer = ask(edge.port,
                 "POST /small/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n1234567890");
    cr_expect_eq(status_of(answer), 200);
    free(answer);
}

EDGE_TEST(edge_hygiene, bodies_in_full_size_arrive)
{
    size_t size = 2 << 20;
    char *body = calloc(1, size);
    int fd = dial(edge.port);
    say(fd, "POST /one/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2097152\r\n\r\n");
    say_bytes(fd, body, size);
    char *answer = hear_all(fd, 3000, NULL);
    cr_expect(has(answer, "body: 2097152\n"), "%s", answer);
    free(answer);
    free(body);
    close(fd);
    cr_expect_eq(backend_body_bytes(member), 2097152);
}

EDGE_TEST(edge_hygiene, does_not_upgrade_to_http2_in_the_clear)
{
    char *answer = get(edge.port, "/one/",
                       "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect_not(has(body_of(answer), "h2c") || has(body_of(answer), "http2-settings"));
    free(answer);
}

static void *drip_body(void *self)
{
    int fd = *(int *)self;
    say(fd, "POST /one/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 48000\r\n\r\n");
    char part[4000];
    memset(part, 'x', sizeof part);
    for (int i = 0; i < 12; i++) {
        say_bytes(fd, part, sizeof part);
        sleep(1);
    }
    return NULL;
}

/* A head must come in 10 s; a body may take longer as long as it grows; one that does not grow is given up. */
EDGE_TEST(edge_hygiene, tells_slow_from_dead)
{
    int half_head = dial(edge.port), silent = dial(edge.port), body = dial(edge.port), dead_body = dial(edge.port);
    pthread_t thread;
    say(half_head, "GET /one/ HTTP/1.1\r\nHo");
    say(dead_body, "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx");
    pthread_create(&thread, NULL, drip_body, &body);
    int64_t begun = clock_ms();
    char *answer = hear_all(half_head, 12000, NULL);
    cr_expect_eq(status_of(answer), 408);
    cr_expect_geq(clock_ms() - begun, 9500);
    free(answer);
    answer = hear_all(dead_body, 12000, NULL);
    cr_expect_eq(status_of(answer), 0);
    free(answer);
    pthread_join(thread, NULL);
    answer = hear_all(body, 5000, NULL);
    cr_expect(has(answer, "body: 48000\n"), "%s", answer);
    free(answer);
    close(half_head);
    close(silent);
    close(body);
    close(dead_body);
}

/* Many who only open and dawdle: others are served. */
EDGE_TEST(edge_hygiene, serves_beside_a_crowd_of_idlers)
{
    int crowd[500];
    for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++) {
        crowd[i] = dial(edge.port);
        say(crowd[i], "GET /one/ HTTP/1.1\r\nHost: a\r\nX: ");
    }
    for (int i = 0; i < 20; i++) {
        char *answer = get(edge.port, "/one/", "");
        cr_expect_eq(status_of(answer), 200);
        free(answer);
    }
    for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++)
        close(crowd[i]);
}
