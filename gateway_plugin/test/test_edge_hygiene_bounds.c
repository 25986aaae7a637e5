/* How much of heads, bodies and connections the edge takes, in HTTP/1.1 and HTTP/2; what is too much is told so. */
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "BODY_MAX=1M", "EDGE_THREADS=1", NULL };
    one_start(environment,
              "_format_version: '3.0'\n"
              "services:\n"
              "  - {name: one, url: 'http://127.0.0.1:%d', routes: [{name: one, paths: [/one]}, {name: small, "
              "paths: [/small], plugins: [{name: request-size-limiting, config: {allowed_payload_size: 10, "
              "size_unit: bytes}}]}]}\n");
}

TestSuite(edge_hygiene, .timeout = 60);
TestSuite(edge_hygiene_h2, .timeout = 60);

/* Heads */

static char *large_head(size_t headers, size_t value)
{
    char *text = calloc(1, 128 + headers * (value + 16));
    cr_assert_not_null(text);
    size_t size = (size_t)sprintf(text, "GET /one/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    for (size_t i = 0; i < headers; i++) {
        size += (size_t)sprintf(text + size, "X: ");
        memset(text + size, 'x', value);
        size += value;
        size += (size_t)sprintf(text + size, "\r\n");
    }
    strcpy(text + size, "\r\n");
    return text;
}

static void expect_head(size_t headers, size_t value, int status)
{
    char *head = large_head(headers, value), *answer = ask(edge.port, head);
    cr_expect_eq(status_of(answer), status, "%zu of %zu: %s", headers, value, answer);
    cr_expect_eq(backend_requests(one), status == 200);
    free(answer);
    free(head);
}

EDGE_TEST(edge_hygiene, answers_431_to_a_header_bomb_of_400_kilobytes)
{
    expect_head(1, 400000, 431);
}

EDGE_TEST(edge_hygiene, answers_431_to_a_head_of_33_kilobytes)
{
    expect_head(10, 3300, 431);
}

EDGE_TEST(edge_hygiene, takes_a_head_of_31_kilobytes)
{
    expect_head(10, 3100, 200);
}

EDGE_TEST(edge_hygiene, answers_431_to_101_headers)
{
    expect_head(99, 1, 431);
}

EDGE_TEST(edge_hygiene, takes_100_headers)
{
    expect_head(98, 1, 200);
}

static const struct h2_field get_fields[] = {
    { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/one/" }, { ":authority", "a" }, { 0 }
};

/* Headers of a byte's name, in frames of 16 kB. */
static void expect_h2_head(size_t headers, size_t value, int status)
{
    unsigned char *block = malloc(1024 + headers * (value + 16));
    char body[4096] = "", *text = calloc(1, value + 1);
    size_t size = h2_block(block, get_fields);
    memset(text, 'x', value);
    for (size_t i = 0; i < headers; i++)
        size += h2_block(block + size, (const struct h2_field[]){ { "x", text }, { 0 } });
    int fd = h2_dial(edge.port);
    for (size_t at = 0; at < size; at += 16384) {
        size_t part = size - at < 16384 ? size - at : 16384;
        h2_send(fd, at ? H2_CONTINUATION : H2_HEADERS,
                (at ? 0 : H2_END_STREAM) | (at + part == size ? H2_END_HEADERS : 0), 1, block + at, part);
    }
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), status, "%s", body);
    cr_expect_eq(backend_requests(one), status == 200);
    close(fd);
    free(block);
    free(text);
}

/* Where HTTP/1 is told 431, HTTP/2 is cut off: a block that is not read whole leaves its tables unknown. */
EDGE_TEST(edge_hygiene_h2, cuts_off_a_header_bomb_of_400_kilobytes)
{
    expect_h2_head(100, 4000, -1);
}

EDGE_TEST(edge_hygiene_h2, answers_431_to_a_head_of_40_kilobytes)
{
    expect_h2_head(10, 4000, 431);
}

EDGE_TEST(edge_hygiene_h2, takes_a_head_of_31_kilobytes)
{
    expect_h2_head(10, 3100, 200);
}

EDGE_TEST(edge_hygiene_h2, answers_431_to_101_headers)
{
    expect_h2_head(101, 1, 431);
}

EDGE_TEST(edge_hygiene_h2, takes_100_headers)
{
    expect_h2_head(100, 1, 200);
}

EDGE_TEST(edge_hygiene_h2, cuts_off_513_fields)
{
    expect_h2_head(513 - 4, 1, -1);
}

/* Bodies */

static void expect_body(const char *head, size_t size, int status)
{
    char *body = calloc(1, size + 1);
    int fd = dial(edge.port);
    say(fd, head);
    say_bytes(fd, body, size);
    char *answer = hear_all(fd, 3000, NULL);
    cr_expect_eq(status_of(answer), status, "%s: %s", head, answer);
    cr_expect_eq(backend_requests(one), status == 200);
    if (status == 413)
        cr_expect(has(answer, "tus"));
    free(answer);
    free(body);
    close(fd);
}

#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

EDGE_TEST(edge_hygiene, answers_413_to_a_body_beyond_all_limits)
{
    expect_body(POST("/one/") "Content-Length: 1048577\r\n\r\n", 1048577, 413);
}

EDGE_TEST(edge_hygiene, answers_413_before_a_body_that_is_only_announced)
{
    expect_body(POST("/one/") "Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n", 0, 413);
}

EDGE_TEST(edge_hygiene, answers_413_to_chunks_beyond_all_limits)
{
    expect_body(POST("/one/") "Transfer-Encoding: chunked\r\n\r\n400000\r\n", 3000000, 413);
}

EDGE_TEST(edge_hygiene, takes_a_body_of_just_the_limit)
{
    expect_body(POST("/one/") "Content-Length: 1048576\r\n\r\n", 1048576, 200);
    cr_expect_eq(backend_body_bytes(one), 1048576);
}

EDGE_TEST(edge_hygiene, answers_413_to_a_body_beyond_the_limit_of_its_route)
{
    expect_body(POST("/small/") "Content-Length: 11\r\n\r\n", 11, 413);
}

EDGE_TEST(edge_hygiene, answers_413_to_chunks_beyond_the_limit_of_their_route)
{
    expect_body(POST("/small/") "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n", 0, 413);
}

EDGE_TEST(edge_hygiene, takes_a_body_of_just_the_limit_of_its_route)
{
    expect_body(POST("/small/") "Content-Length: 10\r\n\r\n", 10, 200);
}

static void expect_h2_body(const char *path, size_t size, int status)
{
    static const char part[16384];
    char body[4096] = "";
    const struct h2_field post[] = {
        { ":method", "POST" }, { ":scheme", "http" }, { ":path", path }, { ":authority", "a" }, { 0 }
    };
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, 0, post);
    for (size_t at = 0; at < size; at += sizeof part) {
        size_t left = size - at;
        h2_send(fd, H2_DATA, left <= sizeof part ? H2_END_STREAM : 0, 1, part, left < sizeof part ? left : sizeof part);
    }
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), status, "%s", body);
    cr_expect_eq(backend_requests(one), status == 200);
    if (status == 413)
        cr_expect(has(body, "tus"));
    close(fd);
}

EDGE_TEST(edge_hygiene_h2, answers_413_to_a_body_beyond_all_limits)
{
    expect_h2_body("/one/", 1048577, 413);
}

/* It can only be reset: its windows are open already. */
EDGE_TEST(edge_hygiene_h2, resets_a_body_far_beyond_all_limits)
{
    expect_h2_body("/one/", 3000000, 0);
}

EDGE_TEST(edge_hygiene_h2, takes_a_body_of_just_the_limit)
{
    expect_h2_body("/one/", 1048576, 200);
}

EDGE_TEST(edge_hygiene_h2, answers_413_to_a_body_beyond_the_limit_of_its_route)
{
    expect_h2_body("/small/", 11, 413);
}

/* Connections */

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

enum { CROWD = 100, AT_A_TIME = 10 };

/* A request on each of these; how many are answered, until nothing comes for two seconds. */
static int count_answered_at_once(const int *crowd)
{
    struct pollfd pollers[AT_A_TIME];
    int answered = 0, open = 0;
    for (int i = 0; i < AT_A_TIME; i++) {
        pollers[i] = (struct pollfd){ .fd = crowd[i], .events = POLLIN };
        open += crowd[i] >= 0;
        if (crowd[i] >= 0)
            say(crowd[i], "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while (open && poll(pollers, AT_A_TIME, 2000) > 0) {
        for (int i = 0; i < AT_A_TIME; i++) {
            if (!pollers[i].revents)
                continue;
            char *answer = hear_one(pollers[i].fd);
            answered += status_of(answer) == 200;
            free(answer);
            pollers[i].fd = -1; /* one answer of each */
            open--;
        }
    }
    return answered;
}

/* Not all at a time: connections to the member take descriptors too. */
static int count_answered(const int *crowd)
{
    int answered = 0;
    for (int i = 0; i < CROWD; i += AT_A_TIME)
        answered += count_answered_at_once(crowd + i);
    return answered;
}

/* At the bound those that were taken go on, those that come wait until somebody leaves, and the operator gets in. */
static void at_the_bound(void)
{
    int crowd[CROWD], taken;
    for (int i = 0; i < CROWD; i++)
        crowd[i] = dial(edge.port);
    taken = count_answered(crowd);
    cr_expect(taken > 10 && taken < CROWD, "%d", taken);
    char *status = get(edge.admin_port, "/status", "");
    cr_expect_eq(status_of(status), 200, "%s", status);
    free(status);
    int closed = 0;
    for (int i = 0; i < CROWD && closed < taken / 2; i++, closed++) {
        close(crowd[i]);
        crowd[i] = -1;
    }
    /* Who waited has asked already: its answer comes without being asked for again. */
    int more = count_answered(crowd);
    cr_expect_eq(more, CROWD - closed, "%d, then %d", taken, more);
    for (int i = 0; i < CROWD; i++)
        if (crowd[i] >= 0)
            close(crowd[i]);
}

Test(edge_hygiene, keeps_those_who_come_waiting_when_there_are_too_many_connections)
{
    struct rlimit files = { 224, 224 };
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    setup();
    at_the_bound();
    teardown();
}
