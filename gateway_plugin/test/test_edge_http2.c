/* HTTP/2 as it is meant; what it is not meant for: test_edge_hygiene_h2.c. */
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "BODY_MAX=1M", "EDGE_THREADS=1", NULL };
    one_start(environment, one_config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_http2, .timeout = 60);

EDGE_TEST(edge_http2, serves_by_prior_knowledge)
{
    char body[8192];
    int fd = h2_dial(edge.port);
    const struct h2_field fields[] = { { ":method", "POST" },
                                       { ":scheme", "http" },
                                       { ":path", "/one/a/../b?q" },
                                       { ":authority", "music.example" },
                                       { "cookie", "a=1" },
                                       { "cookie", "b=2" },
                                       { "x-custom", "kept" },
                                       { "te", "trailers" },
                                       { 0 } };
    h2_request(fd, 1, 0, fields);
    h2_send(fd, H2_DATA, 0, 1, "hel", 3);
    h2_send(fd, H2_DATA, H2_END_STREAM, 1, "lo", 2);
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect(has(body, "body: 5\nPOST /b?q HTTP/1.1\r\n"), "%s", body);
    cr_expect(has(body, "\r\ncookie: a=1; b=2\r\n") && has(body, "x-custom: kept") && has(body, "via: 2 tonearm"), "%s",
              body);
    cr_expect_not(has(body, "trailers"));
    h2_get(fd, 3, "/one/chunked");
    cr_expect_eq(h2_answer(fd, 3, body, sizeof body), 200);
    cr_expect_str_eq(body, "hello world");
    h2_get(fd, 5, "/nothing");
    cr_expect_eq(h2_answer(fd, 5, body, sizeof body), 404);
    h2_get(fd, 7, "/one/short");
    cr_expect_eq(h2_answer(fd, 7, body, sizeof body), 0);
    close(fd);
}

/* How many of `count` streams end with an answer of 200. */
static int good_answers(int fd, int count)
{
    static struct h2_frame frame;
    int good = 0;
    for (int ended = 0; ended < count && h2_read(fd, &frame);) {
        good += frame.type == H2_HEADERS && h2_status(&frame) == 200;
        ended += frame.stream &&
                 (frame.type == H2_RST_STREAM || (frame.type <= H2_HEADERS && (frame.flags & H2_END_STREAM)));
    }
    return good;
}

/* More than a turn of the loop begins: the rest waits for its turn, and may be gone by then. */
EDGE_TEST(edge_http2, answers_all_who_ask_at_once)
{
    enum { CLIENTS = 9, STREAMS = 20, GONE = 4 };
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = h2_dial(edge.port);
        h2_get(fds[i], 1, "/one/first");
        cr_assert_eq(h2_answer(fds[i], 1, NULL, 0), 200);
    }
    edge_process_signal(&edge, SIGSTOP);
    for (int i = 0; i < CLIENTS; i++)
        for (uint32_t stream = 0; stream < STREAMS; stream++)
            h2_get(fds[i], 3 + 2 * stream, "/one/more");
    close(fds[GONE]);
    edge_process_signal(&edge, SIGCONT);
    for (int i = 0; i < CLIENTS; i++) {
        if (i == GONE)
            continue;
        cr_expect_eq(good_answers(fds[i], STREAMS), STREAMS, "client %d", i);
        close(fds[i]);
    }
}
