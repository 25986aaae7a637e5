/* gzip and brotli of answers. */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services: [{name: one, url: 'http://127.0.0.1:%d'}]\n"
    "routes:\n"
    "  - {name: one, service: one, paths: [/one]}\n"
    "  - {name: json, service: one, paths: [/json], plugins: [{name: response-transformer, config: {add: {json: "
    "['b:c']}}}]}\n";

static void start(const char *const *environment)
{
    one_start(environment, config);
}

static void setup(void)
{
    start(NULL);
}

TestSuite(edge_compress, .timeout = 60);

static char body[3000];

/* The member answers with these headers and `size` bytes of text. NULL for the length of the last answer. */
static char *through(const char *path, const char *type, const char *more, size_t size, const char *accept,
                     size_t *answer_size)
{
    char request[16384], reply[4096];
    int at = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sX-Say: ", path,
                      accept);
    int length = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                          type, size, more);
    for (size_t i = 0; i < size; i++)
        reply[length++] = body[i];
    for (int i = 0; i < length; i++)
        at += sprintf(request + at, "%02x", (unsigned char)reply[i]);
    strcpy(request + at, "\r\n\r\n");
    int fd = dial(edge.port);
    say(fd, request);
    char *answer = hear_all(fd, 5000, answer_size);
    close(fd);
    return answer;
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = "tonearm "[i % 8];
}

static void expect(const char *what, const char *type, const char *more, size_t size, const char *accept,
                   const char *coding)
{
    size_t got;
    fill();
    char *answer = through("/one/say", type, more, size, accept, &got);
    cr_expect_eq(status_of(answer), 200, "%s: %s", what, answer);
    if (coding) {
        char line[64];
        snprintf(line, sizeof line, "content-encoding: %s\r\n", coding);
        cr_expect(has(answer, line) && !has(answer, "content-length") && got < 1000, "%s: %s", what, answer);
    } else {
        cr_expect(!has(answer, "content-encoding: gzip") && !has(answer, "content-encoding: br"), "%s: %s", what,
                  answer);
        cr_expect(strncmp(body_of(answer), body, size) == 0, "%s", what);
    }
    free(answer);
}

#define GZIP "Accept-Encoding: gzip\r\n"
#define BOTH "Accept-Encoding: gzip, deflate, br\r\n"

EDGE_TEST(edge_compress, compresses_what_gains_from_it)
{
    expect("gzip", "application/json", "", 2000, GZIP, "gzip");
    expect("both", "text/html; charset=utf-8", "", 2000, BOTH, "br");
    expect("two headers", "text/css", "", 2000, "Accept-Encoding: identity\r\nAccept-Encoding: gzip\r\n", "gzip");
    expect("svg", "image/svg+xml", "", 2000, GZIP, "gzip");
    expect("nothing accepted", "text/plain", "", 2000, "", NULL);
    expect("gzip refused", "text/plain", "", 2000, "Accept-Encoding: gzip;q=0\r\n", NULL);
    expect("small", "text/plain", "", 1000, GZIP, NULL);
    expect("sound", "audio/mpeg", "", 2000, GZIP, NULL);
    expect("encoded", "text/plain", "Content-Encoding: zstd\r\n", 2000, GZIP, NULL);
    expect("no-transform", "text/plain", "Cache-Control: public, no-transform\r\n", 2000, GZIP, NULL);
    expect("a range", "text/plain", "Content-Range: bytes 0-1999/3000\r\n", 2000, GZIP, NULL);
    expect("no type", "", "", 2000, GZIP, NULL);
}

EDGE_TEST(edge_compress, says_so_in_the_head)
{
    size_t size;
    fill();
    char *answer = through("/one/say", "text/plain", "ETag: \"abc\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\n", 2000,
                           GZIP, &size);
    cr_expect(has(answer, "ETag: W/\"abc\"\r\n") && has(answer, "vary: accept-encoding\r\n") &&
                  has(answer, "Vary: Origin") && !has(answer, "accept-ranges"),
              "%s", answer);
    free(answer);
    answer = through("/one/say", "text/plain", "ETag: W/\"abc\"\r\nVary: Accept-Encoding\r\n", 2000, GZIP, &size);
    cr_expect(has(answer, "ETag: W/\"abc\"\r\n") && !has(answer, "vary: accept-encoding\r\nx"), "%s", answer);
    free(answer);
    /* Who takes none is told that others get something else. */
    answer = through("/one/say", "text/plain", "ETag: \"abc\"\r\n", 2000, "Accept-Encoding: zstd\r\n", &size);
    cr_expect(has(answer, "ETag: \"abc\"\r\n") && has(answer, "vary: accept-encoding\r\n"), "%s", answer);
    free(answer);
    answer = ask(edge.port, "HEAD /one/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" GZIP "\r\n");
    cr_expect(status_of(answer) == 200 && *body_of(answer) == 0, "%s", answer);
    free(answer);
}

/* Chunks of one answer put together: from malloc. */
static char *dechunk(const char *answer, size_t *size)
{
    const char *at = body_of(answer);
    char *out = malloc(1 << 20);
    *size = 0;
    for (size_t part; (part = strtoul(at, NULL, 16)); at += part + 2) {
        at = strstr(at, "\r\n") + 2;
        memcpy(out + *size, at, part);
        *size += part;
    }
    return out;
}

static void expect_gunzip(const char *answer, const char *want)
{
    static char text[1 << 20];
    size_t size;
    char *packed = dechunk(answer, &size);
    z_stream stream = {
        .next_in = (Bytef *)packed, .avail_in = (uInt)size, .next_out = (Bytef *)text, .avail_out = sizeof text - 1
    };
    inflateInit2(&stream, 15 + 16);
    cr_expect_eq(inflate(&stream, Z_FINISH), Z_STREAM_END, "%s", answer);
    text[stream.total_out] = 0;
    inflateEnd(&stream);
    cr_expect_str_eq(text, want);
    free(packed);
}

EDGE_TEST(edge_compress, can_be_read_again)
{
    size_t size;
    fill();
    char *answer = through("/one/say", "text/plain", "", sizeof body, GZIP, &size), want[sizeof body + 16];
    snprintf(want, sizeof want, "%.*s", (int)sizeof body, body);
    expect_gunzip(answer, want);
    free(answer);
    /* After another filter. */
    memset(body, 'x', sizeof body);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + 1998, "\"}", 2);
    answer = through("/json/say", "application/json", "", 2000, GZIP, &size);
    snprintf(want, sizeof want, "%.1999s,\"b\":\"c\"}", body);
    expect_gunzip(answer, want);
    free(answer);
}

/* What has come is not held back, events are not compressed at all. */
EDGE_TEST(edge_compress, holds_no_stream_up)
{
    char scratch[8192] = "";
    int fd = dial(edge.port);
    say(fd, "GET /one/events HTTP/1.1\r\nHost: x\r\n" BOTH "\r\n");
    size_t got = 0;
    while (!strstr(scratch, "data: event")) {
        ssize_t part = recv(fd, scratch + got, sizeof scratch - 1 - got, 0);
        cr_assert_gt(part, 0);
        got += (size_t)part;
        scratch[got] = 0;
    }
    cr_expect_not(has(scratch, "content-encoding"), "%s", scratch);
    close(fd);
    /* "first", and nothing more for ten seconds. */
    char request[2048];
    int at = sprintf(request, "GET /one/say?ms=10000 HTTP/1.1\r\nHost: x\r\n" GZIP "X-Say: ");
    for (const char *c = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "5\r\nfirst\r\n";
         *c; c++)
        at += sprintf(request + at, "%02x", (unsigned char)*c);
    strcpy(request + at, "\r\n\r\n");
    fd = dial(edge.port);
    say(fd, request);
    for (got = 0; !memmem(scratch, got, "\r\n\r\n", 4) || got < 300; got += 1) {
        cr_assert_eq(recv(fd, scratch + got, 1, 0), 1, "%.*s", (int)got, scratch);
        scratch[got + 1] = 0;
        const char *piece = strstr(scratch, "\r\n\r\n");
        size_t begun = piece ? (size_t)(piece - scratch) + 4 : got;
        if (got > begun + 12) {
            char text[64];
            size_t skip = (size_t)(strstr(scratch + begun, "\r\n") - scratch) + 2;
            z_stream stream = { .next_in = (Bytef *)scratch + skip,
                                .avail_in = (uInt)(got + 1 - skip),
                                .next_out = (Bytef *)text,
                                .avail_out = sizeof text };
            inflateInit2(&stream, 15 + 16);
            inflate(&stream, Z_SYNC_FLUSH);
            bool whole = stream.total_out == 5 && memcmp(text, "first", 5) == 0;
            inflateEnd(&stream);
            if (whole)
                break;
        }
    }
    close(fd);
}

static void off(void)
{
    start((const char *const[]){ "EDGE_COMPRESS=off", NULL });
}

Test(edge_compress, can_be_turned_off)
{
    off();
    expect("off", "text/plain", "", 2000, BOTH, NULL);
    teardown();
}
