/*
 * Who is slow, and who is dead: in HTTP/1.1 and HTTP/2. The edge's clock runs ten times as fast here (hurried_clock.c):
 * its 10 s for a head are one, its 60 s without a word or without a byte taken are six. The tests wait beside each
 * other.
 */
#include "base/clock.h"
#include "edge_attack.h"
#include "edge_one.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "EDGE_THREADS=1",
                                               "EDGE_PROGRAM=gateway_plugin/test/tonearm-edge-hurried", NULL };
    one_start(environment, "_format_version: '3.0'\nservices: [{name: one, url: 'http://127.0.0.1:%d', read_timeout: "
                           "600000, write_timeout: 600000, routes: [{name: one, paths: [/one]}]}]\n");
}

TestSuite(edge_hygiene, .timeout = 120);
TestSuite(edge_hygiene_h2, .timeout = 120);

enum { LONG_MS = 20000 };

/* How long until the other side closes, whatever it says before; -1: longer than that. */
static int64_t closes_after(int fd)
{
    char scratch[4096];
    int64_t begun = clock_ms();
    while (clock_ms() - begun < LONG_MS) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        if (poll(&poller, 1, 1000) == 1 && recv(fd, scratch, sizeof scratch, 0) <= 0)
            return clock_ms() - begun;
    }
    return -1;
}

static void expect_closed(int fd, int64_t from_ms)
{
    int64_t after = closes_after(fd);
    cr_expect_geq(after, from_ms, "after %d ms", (int)after);
    close(fd);
}

static bool holds_nothing(void)
{
    char *status = get(edge.admin_port, "/status", "");
    bool nothing = has(status, "\"connections_active\":0,") && has(status, "\"requests_under_way\":0,");
    free(status);
    return nothing;
}

/* Nothing is left. A client that reads nothing does not see its own end. `from_ms`: not before; else it may be so now.
 */
static void expect_let_go(int64_t from_ms)
{
    int64_t begun = clock_ms();
    while (from_ms && holds_nothing() && clock_ms() - begun < LONG_MS)
        usleep(10000); /* what was sent has not been taken yet */
    while (!holds_nothing()) {
        cr_assert_lt(clock_ms() - begun, LONG_MS);
        usleep(100000);
    }
    cr_expect_geq(clock_ms() - begun, from_ms, "after %d ms", (int)(clock_ms() - begun));
}

/* Heads */

EDGE_TEST(edge_hygiene, closes_on_who_says_nothing)
{
    expect_closed(dial(edge.port), 900);
}

EDGE_TEST(edge_hygiene, answers_408_to_a_head_that_does_not_end)
{
    int fd = dial(edge.port);
    int64_t begun = clock_ms();
    say(fd, "GET /one/ HTTP/1.1\r\nHo");
    char *answer = hear_all(fd, LONG_MS, NULL);
    cr_expect_eq(status_of(answer), 408, "%s", answer);
    cr_expect_geq(clock_ms() - begun, 900);
    free(answer);
    close(fd);
}

EDGE_TEST(edge_hygiene, answers_408_to_a_head_that_drips)
{
    int fd = dial(edge.port);
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    say(fd, "GET /one/ HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 600 && poll(&poller, 1, 100) == 0; i++)
        say(fd, "x");
    char *answer = hear_all(fd, 1000, NULL);
    cr_expect_eq(status_of(answer), 408, "%s", answer);
    free(answer);
    close(fd);
}

EDGE_TEST(edge_hygiene, closes_on_who_says_nothing_more)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n");
    free(hear_one(fd));
    expect_closed(fd, 5500);
}

EDGE_TEST(edge_hygiene_h2, closes_on_a_preface_that_does_not_end)
{
    int fd = dial(edge.port);
    say(fd, "PRI * HTTP/2.0\r\n\r\n");
    expect_closed(fd, 900);
}

EDGE_TEST(edge_hygiene_h2, closes_on_a_head_that_does_not_end)
{
    int fd = h2_dial(edge.port);
    h2_send(fd, H2_HEADERS, H2_END_STREAM, 1, "\x82", 1);
    expect_closed(fd, 900);
}

/* Bodies */

EDGE_TEST(edge_hygiene, gives_up_a_body_that_does_not_grow)
{
    int fd = dial(edge.port);
    int64_t begun = clock_ms();
    say(fd, "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx");
    char *answer = hear_one(fd);
    cr_expect_eq(status_of(answer), 408, "%s", answer);
    cr_expect_geq(clock_ms() - begun, 2900);
    free(answer);
    close(fd);
    cr_expect_eq(backend_requests(one), 0);
}

EDGE_TEST(edge_hygiene, gives_up_chunks_that_do_not_grow)
{
    int fd = dial(edge.port);
    say(fd, "POST /one/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    expect_closed(fd, 2900);
    cr_expect_eq(backend_requests(one), 0);
}

/* A byte each second, for longer than any of the edge's limits; and once for 20 seconds none. */
EDGE_TEST(edge_hygiene, a_60_s_upload)
{
    int fd = dial(edge.port);
    say(fd, "POST /one/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 65\r\n\r\n");
    for (int i = 0; i < 65; i++) {
        say(fd, "x");
        usleep(i == 30 ? 2000000 : 100000);
    }
    char *answer = hear_all(fd, LONG_MS, NULL);
    cr_expect(has(answer, "body: 65\n"), "%s", answer);
    free(answer);
    close(fd);
}

static const struct h2_field post[] = {
    { ":method", "POST" }, { ":scheme", "http" }, { ":path", "/one/" }, { ":authority", "a" }, { 0 }
};

EDGE_TEST(edge_hygiene_h2, gives_up_a_body_that_does_not_grow)
{
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, 0, post);
    h2_send(fd, H2_DATA, 0, 1, "x", 1);
    expect_closed(fd, 2900);
    cr_expect_eq(backend_requests(one), 0);
}

/* Frames without a byte in them are none. */
EDGE_TEST(edge_hygiene_h2, gives_up_a_body_of_empty_frames)
{
    int fd = h2_dial(edge.port);
    char byte;
    h2_request(fd, 1, 0, post);
    h2_send(fd, H2_DATA, 0, 1, "x", 1);
    for (int i = 0; i < 100 && recv(fd, &byte, 1, MSG_DONTWAIT) != 0; i++) {
        h2_send(fd, H2_DATA, 0, 1, "", 0);
        usleep(100000);
    }
    expect_let_go(0);
    close(fd);
}

EDGE_TEST(edge_hygiene_h2, a_60_s_upload)
{
    char body[4096] = "";
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, 0, post);
    for (int i = 0; i < 65; i++) {
        h2_send(fd, H2_DATA, i == 64 ? H2_END_STREAM : 0, 1, "x", 1);
        usleep(i == 30 ? 2000000 : 100000);
    }
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect(has(body, "body: 65\n"), "%s", body);
    close(fd);
}

/* Answers that nobody takes hold neither memory nor a member. */

EDGE_TEST(edge_hygiene, gives_up_an_answer_that_nobody_takes)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/big?n=300000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_let_go(5500);
    close(fd);
}

static void ask_for_much(int fd, uint32_t window, int count)
{
    const unsigned char settings[] = { 0,
                                       4,
                                       (unsigned char)(window >> 24),
                                       (unsigned char)(window >> 16),
                                       (unsigned char)(window >> 8),
                                       (unsigned char)window };
    h2_send(fd, H2_SETTINGS, 0, 0, settings, sizeof settings);
    h2_send(fd, H2_WINDOW_UPDATE, 0, 0, "\x7f\xff\0\0", 4);
    for (int i = 0; i < count; i++)
        h2_get(fd, (uint32_t)i * 2 + 1, "/one/big?n=300000000");
}

EDGE_TEST(edge_hygiene_h2, gives_up_a_window_that_never_opens)
{
    int fd = h2_dial(edge.port);
    ask_for_much(fd, 0, 50);
    usleep(1000000);
    cr_expect_lt(edge_process_memory(&edge), edge_process_sanitized() ? 1 << 20 : 32 << 10, "%ld KiB",
                 edge_process_memory(&edge));
    expect_closed(fd, 4000);
    expect_let_go(0);
}

EDGE_TEST(edge_hygiene_h2, gives_up_an_answer_that_nobody_takes)
{
    int fd = h2_dial(edge.port);
    ask_for_much(fd, 0x7fffffff, 1);
    expect_let_go(5500);
    close(fd);
}

/* h2o closes nothing before it has written all. */
EDGE_TEST(edge_hygiene_h2, gives_up_resets_that_nobody_takes)
{
    int fd = h2_dial(edge.port), room = 4096;
    uint32_t stream = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    for (int i = 0; i < 150; i++) {
        h2_bad_windows.burst(fd, &stream);
        usleep(15000); /* within what the edge takes in a second */
    }
    expect_let_go(3000);
    close(fd);
}
