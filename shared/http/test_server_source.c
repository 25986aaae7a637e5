/* Answers that the loop reads by itself: files, ranges, pipes, slow readers. */
#include "http/test_service.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void begin(void)
{
    service_prepare();
    service_start();
}

TestSuite(source, .init = begin, .fini = service_end);

static void expect_reply(int fd, int status, const char *part)
{
    struct reply reply = take(fd, false);
    cr_expect_eq(reply.status, status, "%d instead of %d: %s", reply.status, status, reply.body);
    cr_expect(strstr(reply.body, part), "no %s in %s", part, reply.body);
    free_reply(&reply);
}

static struct reply get_file(const char *method, const char *headers)
{
    char request[64];
    snprintf(request, sizeof request, "%s /file", method);
    return ask(service.server, request, headers, NULL);
}

static void expect_part(const char *headers, int status, size_t from, size_t size, const char *content_range)
{
    struct reply reply = get_file("GET", headers);
    cr_expect_eq(reply.status, status, "%s: %d", headers, reply.status);
    cr_assert_eq(reply.size, size, "%s: %zu bytes", headers, reply.size);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += (unsigned char)reply.body[i] != file_byte(from + i);
    cr_expect_eq(wrong, 0u, "%s", headers);
    const char *range = reply_header(&reply, "content-range");
    cr_expect(content_range ? range && strcmp(range, content_range) == 0 : !range, "%s: %s", headers, range);
    cr_expect_str_eq(reply_header(&reply, "etag"), "\"tag\"");
    cr_expect_str_eq(reply_header(&reply, "accept-ranges"), "bytes");
    cr_expect_str_eq(reply_header(&reply, "content-type"), "audio/flac");
    free_reply(&reply);
}

Test(source, is_sent_whole_or_in_part)
{
    expect_part(NULL, 200, 0, 1000000, NULL);
    expect_part("Range: bytes=0-0\r\n", 206, 0, 1, "bytes 0-0/1000000");
    expect_part("Range: bytes=1000-200999\r\n", 206, 1000, 200000, "bytes 1000-200999/1000000");
    expect_part("Range: bytes=999999-\r\n", 206, 999999, 1, "bytes 999999-999999/1000000");
    expect_part("Range: bytes=-500\r\n", 206, 999500, 500, "bytes 999500-999999/1000000");
    expect_part("Range: bytes=0-1,5-6\r\n", 200, 0, 1000000, NULL);
    expect_part("Range: bytes=0-9\r\nIf-Range: \"tag\"\r\n", 206, 0, 10, "bytes 0-9/1000000");
    expect_part("Range: bytes=0-9\r\nIf-Range: \"other\"\r\n", 200, 0, 1000000, NULL);
    expect_part("Range: bytes=0-9\r\nIf-None-Match: \"other\"\r\n", 206, 0, 10, "bytes 0-9/1000000");
}

Test(source, follows_conditions)
{
    struct reply reply = get_file("GET", "If-None-Match: \"a\", \"tag\"\r\nRange: bytes=0-9\r\n");
    cr_expect_eq(reply.status, 304);
    cr_expect_eq(reply.size, 0u);
    cr_expect_str_eq(reply_header(&reply, "etag"), "\"tag\"");
    cr_expect_null(reply_header(&reply, "content-length"));
    free_reply(&reply);
    reply = get_file("GET", "Range: bytes=1000000-\r\n");
    cr_expect_eq(reply.status, 416);
    cr_expect_str_eq(reply_header(&reply, "content-range"), "bytes */1000000");
    cr_expect(strstr(reply.body, "\"status\":416"));
    free_reply(&reply);
    reply = get_file("HEAD", "Range: bytes=0-9\r\n");
    cr_expect_eq(reply.status, 200);
    cr_expect_str_eq(reply_header(&reply, "content-length"), "1000000");
    cr_expect_str_eq(reply_header(&reply, "etag"), "\"tag\"");
    free_reply(&reply);
    reply = get_file("HEAD", "If-None-Match: *\r\n");
    cr_expect_eq(reply.status, 304);
    free_reply(&reply);
}

Test(source, leaves_the_connection_as_it_was)
{
    int fd = dial(service.server);
    for (int i = 0; i < 3; i++) {
        put(fd, "GET /file HTTP/1.1\r\nHost: x\r\n\r\nHEAD /file HTTP/1.1\r\nHost: x\r\n\r\nGET /public/a "
                "HTTP/1.1\r\nHost: x\r\n\r\n");
        struct reply reply = take(fd, false);
        cr_expect_eq(reply.size, 1000000u);
        free_reply(&reply);
        reply = take(fd, true);
        cr_expect_eq(reply.status, 200);
        free_reply(&reply);
        expect_reply(fd, 200, "\"message\":\"echo\"");
    }
    close(fd);
}

Test(source, that_ends_too_early_is_not_taken_for_whole)
{
    int fd = dial(service.server);
    put(fd, "GET /file/short HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply reply = take(fd, false);
    cr_expect_str_eq(reply_header(&reply, "content-length"), "1001000");
    cr_expect_eq(reply.size, 1000000u);
    cr_expect(is_closed(fd, 5000));
    free_reply(&reply);
    close(fd);
}

Test(source, of_a_pipe_is_sent_as_it_comes)
{
    int fd = dial(service.server);
    for (int i = 0; i < 2; i++) {
        put(fd, "GET /piped?count=3 HTTP/1.1\r\nHost: x\r\n\r\n");
        struct reply reply = take(fd, false);
        cr_expect_str_eq(reply_header(&reply, "transfer-encoding"), "chunked");
        cr_expect_str_eq(reply.body, "line\nline\nline\n");
        free_reply(&reply);
    }
    put(fd, "HEAD /piped HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply reply = take(fd, true);
    cr_expect_eq(reply.status, 200);
    free_reply(&reply);
    expect_reply((put(fd, "GET /public/a HTTP/1.1\r\nHost: x\r\n\r\n"), fd), 200, "\"message\":\"echo\"");
    close(fd);
    fd = dial(service.server);
    put(fd, "GET /piped?count=2 HTTP/1.0\r\n\r\n");
    char text[512] = { 0 };
    size_t size = 0;
    for (ssize_t got; size < sizeof text - 1 && (got = recv(fd, text + size, sizeof text - 1 - size, 0)) > 0;)
        size += (size_t)got;
    cr_expect(strstr(text, "\r\n\r\nline\nline\n"), "%s", text);
    close(fd);
}

/* Waits until the server has let go of what `before` descriptors did not count. */
static void expect_descriptors(size_t before, int ms)
{
    int64_t until = clock_ms() + ms;
    while (open_descriptors() > before && clock_ms() < until)
        poll(NULL, 0, 10);
    cr_expect_leq(open_descriptors(), before);
}

Test(source, of_a_pipe_ends_when_the_client_goes)
{
    poll(NULL, 0, 50);
    size_t before = open_descriptors();
    for (int i = 0; i < 5; i++) {
        int fd = dial(service.server);
        put(fd, "GET /piped?count=100000 HTTP/1.1\r\nHost: x\r\n\r\n");
        poll(NULL, 0, 30);
        close(fd);
    }
    expect_descriptors(before, 30000);
}

Test(source, of_many_slow_readers_costs_kilobytes_each)
{
    enum { READERS = 100 };
    int fds[READERS];
    for (int i = 0; i < READERS; i++) {
        fds[i] = dial(service.server);
        int small = 4096;
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    long before = resident_kb();
    for (int i = 0; i < READERS; i++)
        put(fds[i], "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    poll(NULL, 0, 500);
    cr_expect(!MEASURES_MEMORY || resident_kb() - before < READERS * 160, "%ld kB for %d readers",
              resident_kb() - before, READERS);
    char some[1000];
    for (int i = 0; i < READERS; i++)
        cr_expect_gt(recv(fds[i], some, sizeof some, 0), 0);
    for (int i = 0; i < READERS; i++)
        close(fds[i]);
}
