/*
 * What a member's answer may not be: whoever can make a member answer in two ways must not reach another client by it.
 * Each is asked for over HTTP/1.1 and over HTTP/2.
 */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "EDGE_THREADS=1", NULL };
    one_start(environment,
              "_format_version: '3.0'\nservices: [{name: one, url: 'http://127.0.0.1:%d', read_timeout: 1000, "
              "retries: 0, routes: [{name: one, paths: [/one]}]}]\n");
}

TestSuite(edge_hygiene_replies, .timeout = 60);

static char *hex(const char *text)
{
    char *out = calloc(1, strlen(text) * 2 + 1);
    cr_assert_not_null(out);
    for (size_t i = 0; text[i]; i++)
        sprintf(out + i * 2, "%02x", (unsigned char)text[i]);
    return out;
}

static char *told(const char *path, const char *answer)
{
    char *say = hex(answer), *headers = malloc(strlen(say) + 16);
    cr_assert_not_null(headers);
    sprintf(headers, "X-Say: %s\r\n", say);
    char *out = get(edge.port, path, headers);
    free(say);
    free(headers);
    return out;
}

static int told_by_h2(const char *path, const char *answer, char *body, size_t room)
{
    char *say = hex(answer);
    const struct h2_field fields[] = { { ":method", "GET" },  { ":scheme", "http" }, { ":path", path },
                                       { ":authority", "a" }, { "x-say", say },      { 0 } };
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, H2_END_STREAM, fields);
    int status = h2_answer(fd, 1, body, room);
    close(fd);
    free(say);
    return status;
}

static void refuses(const char *const *answers)
{
    for (; *answers; answers++) {
        char *answer = told("/one/say", *answers);
        cr_expect_eq(status_of(answer), 502, "%s: %s", *answers, answer);
        free(answer);
        cr_expect_eq(told_by_h2("/one/say", *answers, NULL, 0), 502, "%s", *answers);
    }
}

#define REFUSES(name, ...)                                                                                             \
    EDGE_TEST(edge_hygiene_replies, name)                                                                              \
    {                                                                                                                  \
        static const char *const answers[] = { __VA_ARGS__, NULL };                                                    \
        refuses(answers);                                                                                              \
    }

#define OK "HTTP/1.1 200 OK\r\n"

REFUSES(refuses_two_lengths, OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK "Content-Length: 5, 6\r\n\r\nhello!")

REFUSES(refuses_lengths_that_are_no_numbers, OK "Content-Length: -1\r\n\r\n", OK "Content-Length: +5\r\n\r\nhello",
        OK "Content-Length: 0x5\r\n\r\nhello", OK "Content-Length: \r\n\r\n",
        OK "Content-Length: 18446744073709551616\r\n\r\n")

REFUSES(refuses_transfer_codings_other_than_chunked, OK "Transfer-Encoding: gzip\r\n\r\nx",
        OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

REFUSES(refuses_bare_lf, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", OK "X: y\nContent-Length: 0\r\n\r\n",
        OK "Content-Length: 0\r\n\n")

REFUSES(refuses_folded_lines, OK "X: y\r\n folded\r\nContent-Length: 0\r\n\r\n")

REFUSES(refuses_control_characters, OK "X: \x01\r\nContent-Length: 0\r\n\r\n",
        OK "X: a\rb\r\nContent-Length: 0\r\n\r\n")

REFUSES(refuses_names_that_are_no_tokens, OK "X : y\r\nContent-Length: 0\r\n\r\n",
        OK "X(: y\r\nContent-Length: 0\r\n\r\n", OK ": y\r\nContent-Length: 0\r\n\r\n")

REFUSES(refuses_statuses_that_are_none, "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n")

REFUSES(refuses_to_switch_protocols_unasked, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")

/* Its chunks hold, and nothing more is believed of the connection. */
EDGE_TEST(edge_hygiene_replies, believes_chunks_and_no_length_beside_them)
{
    static const char both[] = OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (int i = 1; i <= 2; i++) {
        char *answer = told("/one/say", both);
        cr_expect(has(answer, "transfer-encoding: chunked") && has(answer, "5\r\nhello\r\n0\r\n\r\n"), "%s", answer);
        cr_expect_not(has(answer, "content-length"), "%s", answer);
        free(answer);
        cr_expect_eq(backend_connections(one), i);
    }
}

/* What follows an answer is nobody's. */
EDGE_TEST(edge_hygiene_replies, gives_what_follows_an_answer_to_nobody)
{
    static const char *const answers[] = {
        OK "Content-Length: 2\r\n\r\nok" OK "Content-Length: 6\r\n\r\nforged",
        OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" OK "Content-Length: 6\r\n\r\nforged",
        "HTTP/1.1 204 No Content\r\n\r\n" OK "Content-Length: 6\r\n\r\nforged",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nforged",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        char *answer = told("/one/say", answers[i]);
        cr_expect_not(has(answer, "forged"), "%s", answer);
        free(answer);
        answer = get(edge.port, "/one/", "");
        cr_expect(has(answer, "member: one"), "%zu: %s", i, answer);
        free(answer);
        /* And the connection on which it came is used no more. */
        cr_expect_geq(backend_connections(one), (long)i + 2, "%zu", i);
    }
}

/* The client must see that something is missing: no last chunk, no END_STREAM. */
EDGE_TEST(edge_hygiene_replies, ends_no_answer_whose_chunks_are_broken)
{
    static const char *const bodies[] = { "5\r\nhelloXX0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
                                          "-5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\nhello", "5\nhello\n0\n\n" };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char text[256];
        snprintf(text, sizeof text, OK "Transfer-Encoding: chunked\r\n\r\n%s", bodies[i]);
        char *answer = told("/one/say", text);
        cr_expect_eq(status_of(answer), 200);
        cr_expect_not(has(body_of(answer), "0\r\n\r\n"), "%s: %s", bodies[i], answer);
        free(answer);
        cr_expect_leq(told_by_h2("/one/say", text, NULL, 0), 0, "%s", bodies[i]);
    }
}

/* What comes before an answer is none: the client gets the one that counts. */
EDGE_TEST(edge_hygiene_replies, an_upstream_that_answers_1xx_is_heard_to_the_end)
{
    char body[64] = "", *answer = get(edge.port, "/one/interim", "");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect_str_eq(body_of(answer), "final");
    free(answer);
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/one/interim");
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect_str_eq(body, "final");
    close(fd);
    answer = ask(edge.port,
                 "POST /one/interim HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    cr_expect_str_eq(body_of(answer), "final");
    free(answer);
    cr_expect_eq(backend_requests(one), 3);
}

EDGE_TEST(edge_hygiene_replies, an_upstream_that_answers_1xx_without_end_is_502)
{
    char *answer = told("/one/say?times=2000&ms=5", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    cr_expect_eq(status_of(answer), 502, "%s", answer);
    free(answer);
    cr_expect_eq(told_by_h2("/one/say?times=2000&ms=5", "HTTP/1.1 100 Continue\r\n\r\n", NULL, 0), 502);
}

EDGE_TEST(edge_hygiene_replies, gives_up_on_a_head_that_drips)
{
    char *answer = told("/one/say?drips=150&ms=100", "HTTP/1.1 200 OK\r\nX: ");
    cr_expect_eq(status_of(answer), 504, "%s", answer);
    free(answer);
    cr_expect_eq(told_by_h2("/one/say?drips=150&ms=100", "HTTP/1.1 200 OK\r\nX: ", NULL, 0), 504);
}

EDGE_TEST(edge_hygiene_replies, gives_up_on_a_head_without_an_end)
{
    char text[1100] = "HTTP/1.1 200 OK\r\nX: ";
    memset(text + strlen(text), 'x', 1000);
    char *answer = told("/one/say?times=2&ms=1", text);
    cr_expect(status_of(answer) == 504 || status_of(answer) == 502, "%s", answer);
    free(answer);
    answer = get(edge.port, "/one/huge-head", "");
    cr_expect_eq(status_of(answer), 502);
    free(answer);
    char body[4096];
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/one/huge-head");
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 502);
    close(fd);
}

/* An upstream that stalls, or resets: before its answer the client is told, within it he can see. */

EDGE_TEST(edge_hygiene_replies, an_upstream_that_resets_before_its_answer_is_502_and_asked_once_by_a_post)
{
    char *answer = get(edge.port, "/one/reset", "");
    cr_expect_eq(status_of(answer), 502, "%s", answer);
    free(answer);
    long before = backend_requests(one);
    answer = ask(edge.port, "POST /one/reset HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    cr_expect_eq(status_of(answer), 502, "%s", answer);
    cr_expect_eq(backend_requests(one), before + 1);
    free(answer);
}

EDGE_TEST(edge_hygiene_replies, an_upstream_that_resets_within_its_answer_ends_it_unfinished)
{
    char *answer = told("/one/reset", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect(has(answer, "content-length: 100\r\n"), "%s", answer);
    cr_expect_str_eq(body_of(answer), "some of it");
    free(answer);
    answer = told("/one/reset", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
    cr_expect(has(answer, "some") && !has(answer, "0\r\n\r\n"), "%s", answer);
    free(answer);
    char body[256] = "";
    cr_expect_eq(
        told_by_h2("/one/reset", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it", body, sizeof body), 0,
        "the stream is reset: %s", body);
}

EDGE_TEST(edge_hygiene_replies, an_upstream_that_stalls_within_its_answer_ends_it_unfinished_in_time)
{
    int64_t begun = clock_ms(), calm = calm_ms();
    char *answer = told("/one/say", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it");
    cr_expect_str_eq(body_of(answer), "some of it");
    cr_expect(clock_ms() - begun > 900 && calm_ms() - calm < 4000, "%lld ms", (long long)(clock_ms() - begun));
    free(answer);
}

EDGE_TEST(edge_hygiene_replies, an_upstream_that_never_answers_is_504)
{
    int64_t begun = clock_ms(), calm = calm_ms();
    char *answer = get(edge.port, "/one/stall?ms=5000", "");
    cr_expect_eq(status_of(answer), 504, "%s", answer);
    cr_expect(clock_ms() - begun > 900 && calm_ms() - calm < 4000, "%lld ms", (long long)(clock_ms() - begun));
    free(answer);
}

static void post_to_the_idle(void)
{
    char *answer = ask(edge.port, "POST /one/close-idle?ms=1600 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                  "Content-Length: 2\r\n\r\nok");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect_str_eq(body_of(answer), "one");
    free(answer);
}

/* What its close crosses on the way could not be sent again: after a second it is not tried. */
EDGE_TEST(edge_hygiene_replies, an_idle_connection_that_the_upstream_may_be_closing_carries_no_post)
{
    post_to_the_idle();
    usleep(1200000);
    post_to_the_idle();
    cr_expect_eq(backend_connections(one), 2);
    usleep(600000); /* the first has been closed */
    post_to_the_idle();
    cr_expect_eq(backend_requests(one), 3);
}
