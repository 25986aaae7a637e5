/* Routes, as the edge serves them: which service is asked, and for which path. */
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct backend *one, *two;
static struct edge_process edge;

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: one\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: prefix, paths: [/prefix, /slash/]}\n"
    "      - {name: kept, paths: [/kept], strip_path: false}\n"
    "      - {name: regex, paths: ['~/tracks/(?<id>\\d+)']}\n"
    "      - {name: bare, paths: ['~/bare']}\n"
    "      - {name: host, hosts: [music.org, '*.music.org']}\n"
    "      - {name: socket, paths: [/socket], headers: {upgrade: [websocket]}}\n"
    "      - {name: secure, paths: [/secure], protocols: [https]}\n"
    "      - {name: moved, paths: [/moved], protocols: [https], https_redirect_status_code: 301}\n"
    "      - {name: hard, paths: ['~/hard/(a+)+(a+)+(a+)+$']}\n"
    "  - name: based\n"
    "    host: 127.0.0.1\n"
    "    port: %d\n"
    "    path: /base\n"
    "    routes: [{name: based, paths: [/based]}, {name: based-bare, paths: ['~/bb']}, {name: rooted, hosts: [root.org], "
    "paths: [/]}]\n"
    "  - name: slashed\n"
    "    url: http://127.0.0.1:%d/base/\n"
    "    routes: [{name: slashed, paths: [/slashed]}, {name: slashed-kept, paths: [/sk], strip_path: false}]\n";

static void setup(void)
{
    one = backend_start("one");
    two = backend_start("two");
    edge_process_start(&edge, NULL, config, backend_port(one), backend_port(two), backend_port(two));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
    backend_stop(two);
}

TestSuite(edge_routes, .timeout = 60);

static char *get_at(const char *host, const char *path, const char *headers)
{
    static char text[40000];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", path, host, headers);
    return ask(edge.port, text);
}

/* Kong's path_handling v0, case by case. */
EDGE_TEST(edge_routes, ask_for_the_path_that_kong_asks_for)
{
    static const struct {
        const char *host, *path, *line;
    } cases[] = {
        { "x", "/prefix", "GET / HTTP/1.1" },
        { "x", "/prefix/", "GET / HTTP/1.1" },
        { "x", "/prefix/a?b=1", "GET /a?b=1 HTTP/1.1" },
        { "x", "/slash/", "GET / HTTP/1.1" },
        { "x", "/slash/a/", "GET /a/ HTTP/1.1" },
        { "x", "/kept/a", "GET /kept/a HTTP/1.1" },
        { "x", "/tracks/17", "GET / HTTP/1.1" },
        { "x", "/tracks/17/url", "GET /url HTTP/1.1" },
        { "x", "/tracks/17b/url", "GET /b/url HTTP/1.1" },
        { "x", "/bare/", "GET / HTTP/1.1" },
        { "x", "/bare?q", "GET /?q HTTP/1.1" },
        /* what is left of a segment leads nowhere else */
        { "x", "/bare../a", "GET /a HTTP/1.1" },
        { "x", "/bare./a", "GET /a HTTP/1.1" },
        { "x", "/bare..", "GET / HTTP/1.1" },
        { "x", "/bare...", "GET /... HTTP/1.1" },
        { "music.org:80", "/any/path", "GET /any/path HTTP/1.1" },
        { "a.MUSIC.org", "/", "GET / HTTP/1.1" },
        { "x", "/based", "GET /base HTTP/1.1" },
        { "x", "/based/", "GET /base/ HTTP/1.1" },
        { "x", "/based/a", "GET /base/a HTTP/1.1" },
        { "x", "/bb", "GET /base HTTP/1.1" },
        { "x", "/bbc", "GET /base/c HTTP/1.1" },
        { "root.org", "/", "GET /base HTTP/1.1" },
        { "root.org", "/a", "GET /base/a HTTP/1.1" },
        { "x", "/slashed", "GET /base HTTP/1.1" },
        { "x", "/slashed/", "GET /base/ HTTP/1.1" },
        { "x", "/slashed/a", "GET /base/a HTTP/1.1" },
        { "x", "/sk/a", "GET /base/sk/a HTTP/1.1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = get_at(cases[i].host, cases[i].path, "");
        cr_expect_eq(status_of(answer), 200, "%s: %s", cases[i].path, answer);
        cr_expect(has(body_of(answer), cases[i].line), "%s: %s in %s", cases[i].path, cases[i].line, answer);
        free(answer);
    }
}

EDGE_TEST(edge_routes, say_which_beginning_was_stripped)
{
    char *answer = get_at("x", "/tracks/17/url?q", "X-Forwarded-Path: /forged\r\n");
    cr_expect(has(body_of(answer), "\r\nx-forwarded-path: /tracks/17/url\r\n"), "%s", answer);
    cr_expect(has(body_of(answer), "\r\nx-forwarded-prefix: /tracks/17\r\n"), "%s", answer);
    free(answer);
    answer = get_at("music.org", "/a", "");
    cr_expect_not(has(body_of(answer), "x-forwarded-prefix"), "%s", answer);
    free(answer);
}

/* Whatever of it is stripped, the path and what is said of it find room. */
EDGE_TEST(edge_routes, of_long_paths)
{
    for (size_t size = 1000; size < 31000; size += 5990) {
        char *path = calloc(1, 32768), *line = calloc(1, 32768);
        memset(path, 'a', size);
        memcpy(path, "/kept/", 6);
        snprintf(line, 32768, "\r\nx-forwarded-path: %s\r\n", path);
        char *answer = get_at("x", path, "");
        cr_expect(has(answer, line), "%zu", size);
        free(answer);
        free(path);
        free(line);
    }
}

EDGE_TEST(edge_routes, are_chosen_by_headers)
{
    int fd = dial(edge.port);
    say(fd, "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    char *answer = hear_one(fd);
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    close(fd);
    answer = get_at("x", "/socket", "");
    cr_expect_eq(status_of(answer), 404, "%s", answer);
    free(answer);
}

EDGE_TEST(edge_routes, of_https_alone_say_so)
{
    char *answer = get_at("x:8000", "/secure/a", "");
    cr_expect_eq(status_of(answer), 426, "%s", answer);
    cr_expect(has(answer, "\r\nupgrade: TLS/1.2, HTTP/1.1\r\n"), "%s", answer);
    free(answer);
    answer = get_at("x:8000", "/moved/a?b=c", "");
    cr_expect_eq(status_of(answer), 301, "%s", answer);
    cr_expect(has(answer, "\r\nlocation: https://x/moved/a?b=c\r\n"), "%s", answer);
    free(answer);
    cr_expect_eq(backend_requests(one), 0);
}

/* EDGE_LISTEN: several by comma. */
EDGE_TEST(edge_routes, are_the_same_at_every_address)
{
    char listen[64];
    snprintf(listen, sizeof listen, "EDGE_LISTEN=127.0.0.1:%d,127.0.0.1:%d", edge.port, edge.tls_port);
    const char *const environment[] = { listen, NULL };
    edge_process_signal(&edge, SIGTERM);
    cr_assert_eq(waitpid(edge.pid, NULL, 0), edge.pid);
    edge_process_again(&edge, environment);
    const int ports[] = { edge.port, edge.tls_port };
    for (size_t i = 0; i < 2; i++) {
        char *answer = get(ports[i], "/prefix/a", "");
        cr_expect_eq(status_of(answer), 200, "%s", answer);
        free(answer);
    }
}

EDGE_TEST(edge_routes, are_not_held_up_by_an_expression_that_explodes)
{
    char *answer = get_at("music.org", "/hard/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "");
    cr_expect_eq(status_of(answer), 400, "%s", answer);
    free(answer);
    cr_expect_eq(backend_requests(one), 0);
}
