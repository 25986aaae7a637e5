/*
 * What an HTTP/2 client can send at no cost of its own: it is cut off or held back, the edge's memory stays where it
 * was, and others are served. How large a part of their rate they keep is the bench's to say: on a machine that has
 * other work a test can only tell a defence from none. HTTP/1 has no frames to flood with.
 */
#include "base/clock.h"
#include "edge_attack.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct backend *member;
static struct edge_process edge;

static void setup(void)
{
    static const char *const environment[] = { "BODY_MAX=1M", "EDGE_THREADS=1", NULL };
    member = backend_start("one");
    edge_process_start(&edge, environment,
                       "_format_version: '3.0'\nservices: [{name: one, url: 'http://127.0.0.1:%d', routes: [{name: "
                       "one, paths: [/one]}]}]\n",
                       backend_port(member));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(member);
}

TestSuite(edge_hygiene_h2, .timeout = 60);

/* Requests a second of one client with one connection. */
static long rate_of_others(int ms)
{
    long done = 0;
    int fd = dial(edge.port);
    for (int64_t until = clock_ms() + ms; clock_ms() < until; done++) {
        say(fd, "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n");
        char *answer = hear_one(fd);
        cr_assert_eq(status_of(answer), 200, "%s", answer);
        free(answer);
    }
    close(fd);
    return done * 1000 / ms;
}

/* `fault`: what the log says there was too much of. */
static void survives(const struct h2_attack *attack, const char *fault)
{
    struct h2_siege siege;
    long before = rate_of_others(200);
    h2_siege_begin(&siege, attack, edge.port, 2);
    usleep(100000);
    long under = rate_of_others(500), memory = edge_process_memory(&edge);
    h2_siege_end(&siege);
    /* The machine has other work: what counts is the worse of before and after. */
    long after = rate_of_others(200);
    before = after < before ? after : before;
    /* Unprotected, 1 to 8 a second are left of thousands. */
    cr_expect_gt(under, before / 10, "%s: %ld of %ld a second", attack->name, under, before);
    cr_expect_lt(memory, edge_process_sanitized() ? 1 << 20 : 64 << 10, "%s: %ld KiB", attack->name, memory);
    cr_log_info("%s: %ld of %ld a second, %ld KiB, %ld connections, %ld bursts", attack->name, under, before, memory,
                (long)siege.connections, (long)siege.bursts);
    char *log = edge_process_log(&edge);
    cr_expect(has(log, fault), "%s: %s", attack->name, log);
    free(log);
}

EDGE_TEST(edge_hygiene_h2, survives_rapid_resets)
{
    survives(&h2_rapid_resets, "RST_STREAM frames");
}

/* Preface, requests and resets in one write: it is cut off while h2o is still accepting it. */
EDGE_TEST(edge_hygiene_h2, forgets_who_is_cut_off_in_the_first_breath)
{
    unsigned char bytes[32768] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", block[512];
    static const struct h2_field fields[] = {
        { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/one/" }, { ":authority", "a" }, { 0 }
    };
    size_t size = 24, block_size = h2_block(block, fields);
    h2_frame_head(bytes + size, H2_SETTINGS, 0, 0, 0);
    size += 9;
    for (uint32_t stream = 1; stream < 400; stream += 2) {
        h2_frame_head(bytes + size, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, block_size);
        memcpy(bytes + size + 9, block, block_size);
        size += 9 + block_size;
        h2_frame_head(bytes + size, H2_RST_STREAM, 0, stream, 4);
        memcpy(bytes + size + 9, "\0\0\0\x08", 4);
        size += 13;
    }
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(edge.port);
        cr_assert(say_bytes(fds[i], bytes, size));
    }
    for (int i = 0; i < 4; i++) {
        free(hear_all(fds[i], 10000, NULL));
        close(fds[i]);
    }
    cr_expect_gt(rate_of_others(200), 0); /* and the stop is a clean one */
}

EDGE_TEST(edge_hygiene_h2, survives_resets_that_it_is_made_to_send)
{
    survives(&h2_made_resets, "requests");
}

EDGE_TEST(edge_hygiene_h2, survives_empty_continuations)
{
    survives(&h2_empty_continuations, "a block of headers without end");
}

EDGE_TEST(edge_hygiene_h2, survives_pings)
{
    survives(&h2_pings, "PING frames");
}

EDGE_TEST(edge_hygiene_h2, survives_settings)
{
    survives(&h2_settings, "SETTINGS frames");
}

EDGE_TEST(edge_hygiene_h2, survives_priorities)
{
    survives(&h2_priorities, "PRIORITY frames");
}

EDGE_TEST(edge_hygiene_h2, survives_empty_data)
{
    survives(&h2_empty_data, "small DATA frames");
}

EDGE_TEST(edge_hygiene_h2, survives_padding)
{
    survives(&h2_padding, "small DATA frames");
}

EDGE_TEST(edge_hygiene_h2, survives_header_bombs)
{
    survives(&h2_header_bombs, "header fields");
}

EDGE_TEST(edge_hygiene_h2, survives_window_updates_of_nothing)
{
    survives(&h2_bad_windows, "WINDOW_UPDATE frames");
}

EDGE_TEST(edge_hygiene_h2, survives_heads_that_are_no_requests)
{
    survives(&h2_bad_requests, "requests in one breath");
}

enum { FRAME = 9 + 64, FRAMES = 1000 };
static unsigned char frames[FRAME * FRAMES];

/* Sends what is answered by resets and takes none of them, until the edge reads no more. *left: bytes of the last frame
 * that are still to be sent. */
static int dial_deaf(size_t *left)
{
    enum { MANY = 400 << 20 };
    for (size_t i = 0; i < FRAMES; i++)
        h2_frame_head(frames + i * FRAME, H2_DATA, 0, 1, 64);
    int fd = h2_dial(edge.port);
    struct timeval limit = { .tv_sec = 1 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    /* What h2o takes in one read is bounded by how far the sender is ahead. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 65536 }, sizeof(int));
    h2_get(fd, 1, "/nothing");
    size_t sent = 0;
    for (ssize_t part = 1; part > 0 && sent<MANY; sent += part> 0 ? (size_t)part : 0)
        part = send(fd, frames + sent % sizeof frames, sizeof frames - sent % sizeof frames, MSG_NOSIGNAL);
    cr_assert_lt(sent, MANY, "all was read");
    cr_expect_lt(edge_process_memory(&edge), edge_process_sanitized() ? 1 << 20 : 64 << 10);
    cr_log_info("%zu bytes, %ld KiB", sent, edge_process_memory(&edge));
    *left = (FRAME - sent % FRAME) % FRAME;
    return fd;
}

EDGE_TEST(edge_hygiene_h2, holds_back_who_takes_no_answers)
{
    size_t left;
    int fd = dial_deaf(&left);
    cr_expect_gt(rate_of_others(100), 0);
    close(fd);
}

/* h2o begins to read again by itself: what it reads then must be looked at as before. */
EDGE_TEST(edge_hygiene_h2, looks_again_at_who_was_held_back)
{
    size_t left;
    uint32_t stream = 3;
    int fd = dial_deaf(&left);
    free(hear_all(fd, 500, NULL));
    say_bytes(fd, frames + FRAME - left, left); /* its head may be among them */
    h2_pings.burst(fd, &stream);
    bool counted = false;
    for (int i = 0; i < 40 && !counted; i++) { /* it has megabytes to read before */
        free(hear_all(fd, 250, NULL));
        char *log = edge_process_log(&edge);
        counted = has(log, "PING frames");
        free(log);
    }
    cr_expect(counted, "%s", edge_process_log(&edge));
    close(fd);
}
