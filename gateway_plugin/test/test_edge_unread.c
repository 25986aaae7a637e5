/* Bodies that are too large for their route are refused before they have come: request-size-limiting, at the head. */
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT(bytes) "{name: request-size-limiting, config: {allowed_payload_size: " bytes ", size_unit: bytes}}"

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: any, paths: [/any]}\n"
    "      - {name: small, paths: [/small], plugins: [" LIMIT(
        "10") "]}\n"
              "      - {name: larger, paths: [/larger], plugins: [" LIMIT(
                  "100000") "]}\n"
                            "      - {name: keyed, paths: [/keyed], plugins: [{name: key-auth}, " LIMIT(
                                "10") "]}\n"
                                      "consumers:\n"
                                      "  - {username: plain, keyauth_credentials: [{key: one}]}\n"
                                      "  - {username: large, keyauth_credentials: [{key: two}], plugins: [" LIMIT(
                                          "20") "]}\n";

static void setup(void)
{
    one_start((const char *const[]){ "EDGE_THREADS=1", NULL }, config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_unread, .timeout = 120);

enum { PATIENCE_MS = 30000 };

/* A head, and of its body only what stands here: the answer, whole, and the end of the connection. */
static char *tell(const char *path, const char *headers, const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n%s", path, headers, body);
    int fd = dial(edge.port);
    say(fd, text);
    char *answer = hear_all(fd, PATIENCE_MS, NULL);
    close(fd);
    return answer;
}

static void expect(int status, const char *path, const char *headers, const char *body)
{
    char *answer = tell(path, headers, body);
    cr_expect_eq(status_of(answer), status, "%s %s: %s", path, headers, answer);
    cr_expect(has(answer, "connection: close") && has(answer, "x-request-id: "), "%s", answer);
    cr_expect_not(has(answer, "100 Continue"), "%s", answer);
    cr_expect_eq(backend_requests(one), 0);
    free(answer);
}

EDGE_TEST(edge_unread, is_answered_at_the_head)
{
    expect(413, "/small/", "Content-Length: 11\r\n", "");
    expect(413, "/small/", "Content-Length: 1000000\r\n", "12345");
    expect(413, "/larger/", "content-length: 100001\r\n", "");
}

/* Who waits for a 100 has sent nothing, and need not. */
EDGE_TEST(edge_unread, is_417_for_who_asks_first)
{
    expect(417, "/small/", "Expect: 100-continue\r\nContent-Length: 11\r\n", "");
}

/* What comes before the limit in the order of plugins has its say first. */
EDGE_TEST(edge_unread, goes_the_ways_of_its_route)
{
    expect(401, "/keyed/", "Content-Length: 21\r\n", "");
    expect(413, "/keyed/", "apikey: one\r\nContent-Length: 21\r\n", "");
}

/* Who may have more is not known at the head: then all of it is waited for. */
EDGE_TEST(edge_unread, is_not_what_somebody_may_send)
{
    char *answer = tell("/keyed/", "apikey: two\r\nConnection: close\r\nContent-Length: 15\r\n", "123456789012345");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    answer = tell("/keyed/", "apikey: one\r\nConnection: close\r\nContent-Length: 15\r\n", "123456789012345");
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    free(answer);
    cr_expect_eq(backend_requests(one), 1);
    cr_expect_eq(backend_body_bytes(one), 15);
}

/* What comes after the head is a body, whatever it looks like, and no request. */
EDGE_TEST(edge_unread, is_no_request)
{
    expect(413, "/small/", "Content-Length: 40\r\n", "GET /any/ HTTP/1.1\r\nHost: a\r\n\r\nGET /any");
}

/* The head of a second request, that h2o has with the end of the first. */
EDGE_TEST(edge_unread, is_answered_behind_another_request)
{
    int fd = dial(edge.port);
    say(fd, "GET /any/ HTTP/1.1\r\nHost: a\r\n\r\nPOST /small/ HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    char *answer = hear_all(fd, PATIENCE_MS, NULL);
    cr_expect(has(answer, "HTTP/1.1 200") && has(answer, "HTTP/1.1 413"), "%s", answer);
    cr_expect_eq(backend_requests(one), 1);
    free(answer);
    close(fd);
}

/* Who sends it all the same can do so, and reads the answer after that: the connection is not reset under it. */
EDGE_TEST(edge_unread, is_thrown_away_where_it_comes)
{
    enum { SIZE = 16 << 20 };
    char *body = calloc(1, SIZE);
    int fd = dial(edge.port);
    char head[128];
    snprintf(head, sizeof head, "POST /larger/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SIZE);
    say(fd, head);
    cr_expect(say_bytes(fd, body, SIZE));
    char *answer = hear_all(fd, PATIENCE_MS, NULL);
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    cr_expect_eq(backend_requests(one), 0);
    if (!edge_process_sanitized())
        cr_expect_lt(edge_process_memory(&edge), 64 << 10, "%ld KiB", edge_process_memory(&edge));
    free(answer);
    free(body);
    close(fd);
}

EDGE_TEST(edge_unread, is_cut_where_chunks_pass_the_limit)
{
    char *answer = tell("/small/", "Transfer-Encoding: chunked\r\n", "100\r\n12345678901");
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    free(answer);
    answer = tell("/small/", "Connection: close\r\nTransfer-Encoding: chunked\r\n", "a\r\n1234567890\r\n0\r\n\r\n");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    cr_expect_eq(backend_body_bytes(one), 10);
}

/* HTTP/2 */

static void post(int fd, uint32_t stream, const char *path, const char *length, const char *name, const char *value)
{
    struct h2_field fields[8] = {
        { ":method", "POST" }, { ":scheme", "http" }, { ":path", path }, { ":authority", "a" }
    };
    size_t count = 4;
    if (length)
        fields[count++] = (struct h2_field){ "content-length", length };
    if (name)
        fields[count++] = (struct h2_field){ name, value };
    h2_request(fd, stream, 0, fields);
}

static void expect_h2(int fd, uint32_t stream, int status)
{
    char body[4096];
    cr_expect_eq(h2_answer(fd, stream, body, sizeof body), status, "%u: %s", stream, body);
}

static void expect_served(int fd, uint32_t stream)
{
    h2_get(fd, stream, "/any/");
    expect_h2(fd, stream, 200);
}

EDGE_TEST(edge_unread, is_answered_at_the_head_of_a_stream)
{
    int fd = h2_dial(edge.port);
    post(fd, 1, "/small/", "11", NULL, NULL);
    expect_h2(fd, 1, 413);
    post(fd, 3, "/small/", "11", "expect", "100-continue");
    expect_h2(fd, 3, 417);
    post(fd, 5, "/keyed/", "21", NULL, NULL);
    expect_h2(fd, 5, 401);
    post(fd, 7, "/keyed/", "21", "apikey", "one");
    expect_h2(fd, 7, 413);
    cr_expect_eq(backend_requests(one), 0);
    post(fd, 9, "/small/", "10", NULL, NULL);
    h2_send(fd, H2_DATA, H2_END_STREAM, 9, "1234567890", 10);
    expect_h2(fd, 9, 200);
    close(fd);
}

/* It is told to send no more, without a fault (RFC 9113, 8.1). */
EDGE_TEST(edge_unread, ends_with_a_reset_of_its_stream)
{
    struct h2_frame frame = { 0 };
    int fd = h2_dial(edge.port);
    post(fd, 1, "/small/", "11", NULL, NULL);
    expect_h2(fd, 1, 413);
    while (h2_read(fd, &frame) && frame.type != H2_RST_STREAM)
        ;
    cr_expect_eq(frame.stream, 1);
    cr_expect(frame.length == 4 && memcmp(frame.payload, "\0\0\0\0", 4) == 0);
    expect_served(fd, 3);
    close(fd);
}

static size_t windows_until_answer(int fd, uint32_t stream)
{
    struct h2_frame frame;
    size_t given = 0;
    while (h2_read(fd, &frame)) {
        const unsigned char *by = frame.payload;
        cr_expect_neq(frame.type, H2_GOAWAY);
        if (frame.type == H2_WINDOW_UPDATE && !frame.stream)
            given += (size_t)by[0] << 24 | (size_t)by[1] << 16 | (size_t)by[2] << 8 | by[3];
        if (frame.type == H2_RST_STREAM)
            cr_expect(frame.length == 4 && memcmp(by, "\0\0\0\0", 4) == 0, "a fault of stream %u", frame.stream);
        if (frame.stream == stream && frame.type <= H2_HEADERS && frame.flags & H2_END_STREAM)
            break;
    }
    return given;
}

/* What was on its way is thrown away, also where a frame was cut in two, and the connection's window is given back. */
EDGE_TEST(edge_unread, leaves_its_connection_as_it_was)
{
    enum { FRAMES = 100, SIZE = 16384 };
    static const char part[SIZE];
    unsigned char head[9];
    int fd = h2_dial(edge.port);
    expect_served(fd, 1); /* with it the settings are over: nothing else is sent in the middle of a frame */
    post(fd, 3, "/small/", "1638500", NULL, NULL);
    h2_frame_head(head, H2_DATA, 0, 3, SIZE);
    say_bytes(fd, head, sizeof head);
    say_bytes(fd, part, 100);
    expect_h2(fd, 3, 413);
    say_bytes(fd, part, SIZE - 100);
    for (int i = 1; i < FRAMES; i++)
        h2_send(fd, H2_DATA, i + 1 == FRAMES ? H2_END_STREAM : 0, 3, part, SIZE);
    h2_get(fd, 5, "/any/");
    size_t given = windows_until_answer(fd, 5);
    cr_expect_geq(given, (FRAMES - 1) * SIZE, "%zu", given);
    cr_expect_leq(given, FRAMES * SIZE, "%zu", given);
    cr_expect_eq(backend_requests(one), 2);
    expect_served(fd, 7);
    close(fd);
}

EDGE_TEST(edge_unread, is_cut_where_a_stream_passes_the_limit)
{
    int fd = h2_dial(edge.port);
    post(fd, 1, "/small/", NULL, NULL, NULL);
    h2_send(fd, H2_DATA, 0, 1, "1234567890", 10);
    expect_served(fd, 3);
    h2_send(fd, H2_DATA, 0, 1, "1", 1);
    expect_h2(fd, 1, 413);
    h2_send(fd, H2_DATA, H2_END_STREAM, 1, "more", 4);
    expect_served(fd, 5);
    close(fd);
}

EDGE_TEST(edge_unread, may_come_often)
{
    enum { STREAMS = 300 };
    int fd = h2_dial(edge.port);
    for (uint32_t i = 0; i < STREAMS; i++) {
        post(fd, 2 * i + 1, "/small/", "11", NULL, NULL);
        h2_send(fd, H2_DATA, 0, 2 * i + 1, "12345", 5);
        expect_h2(fd, 2 * i + 1, 413);
    }
    expect_served(fd, 2 * STREAMS + 1);
    cr_expect_eq(backend_requests(one), 1);
    close(fd);
}
