/* What is large, or has no end: gigabytes in parts, bodies in files, events, WebSockets, over TLS and HTTP/2 too. */
#include "base/arena.h"
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_certificate.h"
#include "edge_fixture.h"
#include "edge_h2.h"
#include "nats/nats_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arena arena;
static struct backend *member;
static struct edge_process edge;
static char dir[] = "/tmp/tonearm-streams-XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    const char *cert = arena_printf(&arena, "%s/cert", dir), *key = arena_printf(&arena, "%s/key", dir);
    const char *spool = arena_printf(&arena, "%s/spool", dir);
    certificate_make("localhost", cert, key);
    cr_assert_eq(mkdir(spool, 0700), 0);
    const char *const environment[] = { "WITH_TLS=1", arena_printf(&arena, "EDGE_TLS_CERT=%s", cert),
                                        arena_printf(&arena, "EDGE_TLS_KEY=%s", key),
                                        arena_printf(&arena, "TMPDIR=%s", spool), NULL };
    member = backend_start("one");
    edge_process_start(&edge, environment,
                       "_format_version: '3.0'\nservices: [{name: one, url: 'http://127.0.0.1:%d', routes: [{name: "
                       "one, paths: [/one]}]}]\nplugins: [{name: prometheus}]\n",
                       backend_port(member));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(member);
    cr_assert_eq(system(arena_printf(&arena, "rm -rf '%s'", dir)), 0);
    arena_free(&arena);
}

TestSuite(edge_streams, .timeout = 120);

/* A number of /proc/PID/status, in KiB. */
static long memory(const char *name)
{
    char text[4096] = "";
    FILE *file = fopen(arena_printf(&arena, "/proc/%d/status", (int)edge.pid), "r");
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* From now on VmHWM is the most since now. */
static void forget_peak(void)
{
    FILE *file = fopen(arena_printf(&arena, "/proc/%d/clear_refs", (int)edge.pid), "w");
    fputs("5", file);
    fclose(file);
}

enum { PART = 16 << 20, PARTS = 128, SLICE = 1 << 20 };

static void patch(int fd, const char *slice)
{
    say(fd, arena_printf(&arena, "PATCH /one/upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", PART));
    for (int i = 0; i < PART / SLICE; i++)
        cr_assert(say_bytes(fd, slice, SLICE));
    char *answer = hear_one(fd);
    cr_assert_eq(status_of(answer), 200, "%s", answer);
    free(answer);
}

/* Fewer of them where a sanitizer makes all of it slow and large. */
EDGE_TEST(edge_streams, two_gigabytes_in_patches_of_16_mebibytes_take_less_than_40_of_memory)
{
    int parts = edge_process_sanitized() ? 4 : PARTS;
    char *slice = calloc(1, SLICE);
    int fd = dial(edge.port);
    free(get(edge.port, "/one/", ""));
    long before = memory("VmRSS:");
    forget_peak();
    for (int i = 0; i < parts; i++)
        patch(fd, slice);
    cr_expect_eq(backend_body_bytes(member), (long)parts * PART);
    long peak = memory("VmHWM:");
    cr_expect_lt(peak - before, edge_process_sanitized() ? 160 << 10 : 40 << 10, "%ld KiB more at most", peak - before);
    cr_log_info("%ld KiB more at most, %ld at the end", peak - before, memory("VmRSS:") - before);
    close(fd);
    free(slice);
}

/* Does the process hold a file of its spool? It has no name any more. */
static bool holds_file(void *self)
{
    (void)self;
    char line[1024];
    bool found = false;
    FILE *maps = fopen(arena_printf(&arena, "/proc/%d/maps", (int)edge.pid), "r");
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, arena_printf(&arena, "%s/spool/tonearm.", dir)) != NULL;
    fclose(maps);
    return found;
}

static bool holds_none(void *self)
{
    return !holds_file(self);
}

/* Half of a body of this size has come. */
static void expect_held(int size, bool in_file)
{
    char *slice = calloc(1, (size_t)size);
    int fd = dial(edge.port);
    say(fd, arena_printf(&arena, "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size));
    say_bytes(fd, slice, (size_t)size / 2);
    if (in_file)
        cr_expect(eventually(30000, holds_file, NULL));
    else
        for (int i = 0; i < 10; i++, usleep(5000))
            cr_expect_not(holds_file(NULL));
    say_bytes(fd, slice, (size_t)size - (size_t)size / 2);
    char *answer = hear_one(fd);
    cr_expect(has(answer, arena_printf(&arena, "body: %d\n", size)), "%s", answer);
    cr_expect(eventually(30000, holds_none, NULL), "it goes with the request");
    free(answer);
    close(fd);
    free(slice);
}

EDGE_TEST(edge_streams, a_body_lies_in_a_file_from_a_mebibyte_on)
{
    expect_held(SLICE / 2, false);
    expect_held(SLICE * 3, true);
}

EDGE_TEST(edge_streams, what_is_too_large_is_told_of_tus)
{
    char *answer = ask(edge.port,
                       "POST /one/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 67108865\r\n\r\n");
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    cr_expect(has(answer, "tus"), "%s", answer);
    cr_expect_eq(backend_requests(member), 0);
    free(answer);
}

/* The member says one each 100 ms: who gathered them would be late. */
enum { EVENTS = 5, EVENT_MS = 100 };

struct count {
    int events;
    int64_t begun, calm, last_ms;
};

static void count_events(struct count *count, const char *data, size_t size)
{
    for (const char *at = data; (at = memmem(at, size - (size_t)(at - data), "data: event", 11)); at++) {
        count->events++;
        int64_t took = calm_ms() - count->calm;
        count->last_ms = clock_ms() - count->begun;
        cr_expect_lt(took, count->events * EVENT_MS + 400, "number %d after %lld ms", count->events, (long long)took);
    }
}

static const char events[] = "GET /one/events HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n";

EDGE_TEST(edge_streams, sse_is_unbuffered)
{
    char part[4096];
    int fd = dial(edge.port);
    struct count count = { .begun = clock_ms(), .calm = calm_ms() };
    say(fd, events);
    for (ssize_t got; count.events < EVENTS && (got = recv(fd, part, sizeof part, 0)) > 0;)
        count_events(&count, part, (size_t)got);
    cr_expect_eq(count.events, EVENTS);
    cr_expect_gt(count.last_ms, (EVENTS - 1) * EVENT_MS - 50);
    close(fd);
}

EDGE_TEST(edge_streams, sse_is_unbuffered_over_tls)
{
    char part[4096];
    SSL *ssl = named_dial(edge.tls_port, "localhost");
    struct count count = { .begun = clock_ms(), .calm = calm_ms() };
    SSL_write(ssl, events, sizeof events - 1);
    for (int got; count.events < EVENTS && (got = SSL_read(ssl, part, sizeof part)) > 0;)
        count_events(&count, part, (size_t)got);
    cr_expect_eq(count.events, EVENTS);
    named_close(ssl);
}

EDGE_TEST(edge_streams, sse_is_unbuffered_over_http2)
{
    struct h2_frame frame;
    int fd = h2_dial(edge.port);
    struct count count = { .begun = clock_ms(), .calm = calm_ms() };
    h2_get(fd, 1, "/one/events");
    while (count.events < EVENTS && h2_read(fd, &frame))
        if (frame.type == H2_DATA)
            count_events(&count, (const char *)frame.payload, frame.length);
    cr_expect_eq(count.events, EVENTS);
    close(fd);
}

static const char upgrade[] = "GET /one/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

static void read_exactly(SSL *ssl, char *out, int size)
{
    for (int got, done = 0; done < size; done += got) {
        got = SSL_read(ssl, out + done, size - done);
        cr_assert_gt(got, 0);
    }
}

EDGE_TEST(edge_streams, a_websocket_over_tls_carries_what_is_said_both_ways)
{
    enum { TURNS = 64, TURN = 16000 };
    static char said[TURN], heard[TURN];
    char head[2048] = "";
    SSL *ssl = named_dial(edge.tls_port, "localhost");
    SSL_write(ssl, upgrade, sizeof upgrade - 1);
    for (int size = 0; !strstr(head, "welcome"); size++)
        read_exactly(ssl, head + size, 1);
    cr_expect_eq(status_of(head), 101, "%s", head);
    for (int i = 0; i < TURNS; i++) {
        memset(said, 'a' + i % 26, sizeof said);
        cr_assert_eq(SSL_write(ssl, said, sizeof said), sizeof said);
        read_exactly(ssl, heard, sizeof heard);
        cr_assert(memcmp(said, heard, sizeof said) == 0, "%d", i);
    }
    named_close(ssl);
}
