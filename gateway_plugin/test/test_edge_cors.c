/* cors: preflights that the edge answers itself, and what it says on other answers. */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    plugins: [{name: key-auth, config: {key_names: [x-api-key]}}]\n"
    "    routes:\n"
    "      - {name: plain, paths: [/plain], plugins: [{name: cors}]}\n"
    "      - {name: one, paths: [/one], plugins: [{name: cors, config: {origins: ['http://a.example'], methods: [GET, "
    "POST], headers: [X-One, X-Two], exposed_headers: [X-Seen, X-Too], max_age: 600, credentials: true, "
    "private_network: true}}]}\n"
    "      - {name: many, paths: [/many], plugins: [{name: cors, config: {origins: ['http://a.example', "
    "'https://.*\\.b\\.example'], allow_origin_absent: false}}]}\n"
    "      - {name: any, paths: [/any], plugins: [{name: cors, config: {origins: ['*'], credentials: true}}]}\n"
    "      - {name: on, paths: [/on], plugins: [{name: cors, config: {preflight_continue: true}}]}\n"
    "consumers: [{username: ann, keyauth_credentials: [{key: k}]}]\n";

static void setup(void)
{
    one_start(NULL, config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_cors, .timeout = 60);

static char *preflight(const char *path, const char *headers)
{
    char text[1024];
    snprintf(text, sizeof text,
             "OPTIONS %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccess-Control-Request-Method: POST\r\n%s\r\n",
             path, headers);
    return ask(edge.port, text);
}

static void expect(char *answer, int status, const char *const *lines, const char *const *gone)
{
    cr_expect_eq(status_of(answer), status, "%s", answer);
    for (; *lines; lines++)
        cr_expect(has(answer, *lines), "no %s in %s", *lines, answer);
    for (; *gone; gone++)
        cr_expect_not(has(answer, *gone), "%s in %s", *gone, answer);
    free(answer);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NONE ((const char *const[]){ NULL })
#define ORIGIN "Access-Control-Allow-Origin: "

EDGE_TEST(edge_cors, answers_preflights_before_a_key_is_asked_for)
{
    expect(preflight("/plain/", "Origin: http://x.example\r\nAccess-Control-Request-Headers: X-A, X-B\r\n"), 200,
           LINES(ORIGIN "*\r\n", "\r\nContent-Length: 0\r\n", "Access-Control-Allow-Headers: X-A, X-B\r\n",
                 "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT\r\n"),
           LINES("Max-Age", "Credentials", "Vary", "Private"));
    expect(preflight("/one/", "Origin: http://x.example\r\nAccess-Control-Request-Headers: X-A\r\n"
                              "Access-Control-Request-Private-Network: true\r\n"),
           200,
           LINES(ORIGIN "http://a.example\r\n", "\r\nVary: Origin\r\n", "Access-Control-Allow-Credentials: true\r\n",
                 "Access-Control-Allow-Headers: X-One,X-Two\r\n", "Access-Control-Allow-Methods: GET,POST\r\n",
                 "Access-Control-Max-Age: 600\r\n", "Access-Control-Allow-Private-Network: true\r\n"),
           LINES("X-Seen"));
    cr_expect_eq(backend_requests(one), 0);
    /* No preflight: without an origin, or without a method that is asked about. */
    expect(preflight("/plain/", ""), 401, NONE, NONE);
    expect(preflight("/plain/", "Origin:\r\n"), 401, NONE, NONE);
    expect(ask(edge.port, "OPTIONS /plain/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: http://x\r\n\r\n"), 401,
           LINES(ORIGIN "*\r\n"), NONE);
}

EDGE_TEST(edge_cors, names_the_origin_that_may_read)
{
    expect(get(edge.port, "/plain/", "X-API-Key: k\r\nOrigin: http://x.example\r\n"), 200, LINES(ORIGIN "*\r\n"),
           LINES("Vary", "Credentials", "Expose"));
    expect(get(edge.port, "/plain/", "X-API-Key: k\r\n"), 200, LINES(ORIGIN "*\r\n"), NONE);
    expect(get(edge.port, "/one/", "X-API-Key: k\r\nOrigin: http://x.example\r\n"), 200,
           LINES(ORIGIN "http://a.example\r\n", "Access-Control-Expose-Headers: X-Seen,X-Too\r\n",
                 "Access-Control-Allow-Credentials: true\r\n", "\r\nVary: Origin\r\n"),
           LINES("Max-Age", "Allow-Methods"));
    expect(get(edge.port, "/many/", "X-API-Key: k\r\nOrigin: http://a.example\r\n"), 200,
           LINES(ORIGIN "http://a.example\r\n", "\r\nVary: Origin\r\n"), LINES("Credentials"));
    expect(get(edge.port, "/many/", "X-API-Key: k\r\nOrigin: https://x.b.example:443\r\n"), 200,
           LINES(ORIGIN "https://x.b.example\r\n"), NONE);
    expect(get(edge.port, "/many/", "X-API-Key: k\r\nOrigin: https://x.b.example.evil\r\n"), 200,
           LINES("\r\nVary: Origin\r\n"), LINES(ORIGIN));
    expect(get(edge.port, "/many/", "X-API-Key: k\r\n"), 200, NONE, LINES(ORIGIN, "Vary"));
    /* `*` and credentials do not go together: the origin is named. */
    expect(get(edge.port, "/any/", "X-API-Key: k\r\nOrigin: http://x.example\r\n"), 200,
           LINES(ORIGIN "http://x.example\r\n", "\r\nVary: Origin\r\n", "Access-Control-Allow-Credentials: true\r\n"),
           LINES(ORIGIN "*"));
    expect(get(edge.port, "/any/", "X-API-Key: k\r\n"), 200, LINES(ORIGIN "*\r\n"), LINES("Credentials"));
}

/* A page has to be able to read why it was refused. */
EDGE_TEST(edge_cors, speaks_on_refusals_too)
{
    expect(get(edge.port, "/many/", "Origin: http://a.example\r\n"), 401, LINES(ORIGIN "http://a.example\r\n"), NONE);
}

EDGE_TEST(edge_cors, leaves_preflights_to_the_service_where_it_is_told_so)
{
    expect(preflight("/on/", "X-API-Key: k\r\nOrigin: http://x.example\r\n"), 200, LINES("member: one"), LINES(ORIGIN));
    expect(get(edge.port, "/on/", "X-API-Key: k\r\nOrigin: http://x.example\r\n"), 200, LINES(ORIGIN "*\r\n"), NONE);
}

/* The service's own word does not stand beside the edge's. */
EDGE_TEST(edge_cors, replaces_what_the_service_says)
{
    char *answer = get(edge.port, "/one/cors", "X-API-Key: k\r\nOrigin: http://a.example\r\n");
    cr_expect(has(answer, ORIGIN "http://a.example\r\n"));
    cr_expect_not(has(answer, ORIGIN "http://service.example"), "%s", answer);
    cr_expect_not(has(answer, "X-Other"), "%s", answer);
    free(answer);
}
