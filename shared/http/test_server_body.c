/* Bodies both ways: limits, files, sources, ranges, pipes, slow and vanishing peers. */
#include "http/test_service.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <h2o/socket.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void begin(void)
{
    service_prepare();
    service_start();
}

TestSuite(body, .init = begin, .fini = service_end);
TestSuite(body_alone, .init = service_prepare, .fini = service_end);

static void expect_reply(int fd, int status, const char *part)
{
    struct reply reply = take(fd, false);
    cr_expect_eq(reply.status, status, "%d instead of %d: %s", reply.status, status, reply.body);
    cr_expect(strstr(reply.body, part), "no %s in %s", part, reply.body);
    free_reply(&reply);
}

static void put_zeros(int fd, size_t size)
{
    static const char zeros[65536];
    for (size_t left = size; left > 0;) {
        size_t now = left < sizeof zeros ? left : sizeof zeros;
        put_bytes(fd, zeros, now);
        left -= now;
    }
}

Test(body, has_a_limit_for_each_route)
{
    static const struct {
        const char *request;
        size_t size;
        int status;
    } cases[] = {
        { "POST /public/a", 64 << 10, 200 },  { "POST /public/a", (64 << 10) + 1, 413 },
        { "PUT /large", 1 << 20, 200 },       { "PUT /large", (1 << 20) + 1, 413 },
        { "PUT /spooled", 64 << 20, 200 },    { "PUT /spooled", (64 << 20) + 1, 413 },
        { "POST /nothing", 1 << 20, 404 },    { "PUT /public/a", 1 << 20, 405 },
        { "POST /public/a", 200 << 20, 413 }, { "GET /public/a", (64 << 10) + 1, 413 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial(service.server);
        put(fd, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", cases[i].request, cases[i].size);
        put_zeros(fd, cases[i].size);
        struct reply reply = take(fd, false);
        cr_expect_eq(reply.status, cases[i].status, "%s with %zu bytes: %d", cases[i].request, cases[i].size,
                     reply.status);
        cr_expect(reply.status == 200 || strstr(reply.body, "{\"code\":\"10001\""));
        if (reply.status == 405)
            cr_expect_str_eq(reply_header(&reply, "allow"), "GET, HEAD, POST");
        free_reply(&reply);
        close(fd);
    }
}

/* What waits in the socket when the refusal is written may be more than what found no room: no reset must overtake it.
 */
Test(body, without_room_is_refused_in_words_however_fast_it_comes)
{
    strcpy(h2o_socket_buffer_mmap_settings.fn_template, "/nowhere/XXXXXX");
    h2o_socket_buffer_mmap_settings.threshold = 64 << 10;
    for (size_t i = 0; i < 20; i++) {
        int fd = dial(service.server);
        put(fd, "PUT /spooled HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2000000\r\n");
        put_zeros(fd, 32 << 20);
        expect_reply(fd, 507, "no room");
        close(fd);
    }
}

Test(body, is_refused_before_it_is_sent)
{
    int fd = dial(service.server);
    put(fd, "PUT /large HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 50000000\r\n\r\n");
    expect_reply(fd, 413, "\"status\":413");
    close(fd);
    fd = dial(service.server);
    put(fd, "POST /public/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    struct reply reply = take(fd, true);
    cr_expect_eq(reply.status, 100);
    free_reply(&reply);
    put(fd, "body");
    expect_reply(fd, 200, "\"body\":\"body\"");
    close(fd);
}

static void put_chunks(int fd, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        put(fd, "%zx\r\n", size);
        put_zeros(fd, size);
        put(fd, "\r\n");
    }
    put(fd, "0\r\n\r\n");
}

Test(body, in_chunks_has_the_same_limits)
{
    static const struct {
        const char *request;
        size_t count, size;
        int status;
    } cases[] = {
        { "POST /public/a", 64, 1024, 200 },  { "POST /public/a", 65, 1024, 413 },
        { "POST /public/a", 65536, 1, 200 },  { "POST /public/a", 3000, 1024, 413 },
        { "PUT /spooled", 64, 1 << 20, 200 }, { "PUT /spooled", 70, 1 << 20, 413 },
        { "POST /nothing", 10, 10, 404 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial(service.server);
        put(fd, "%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", cases[i].request);
        put_chunks(fd, cases[i].count, cases[i].size);
        struct reply reply = take(fd, false);
        cr_expect_eq(reply.status, cases[i].status, "%s, %zu times %zu: %d", cases[i].request, cases[i].count,
                     cases[i].size, reply.status);
        cr_expect(reply.status == 200 || strstr(reply.body, "{\"code\":\"10001\""));
        free_reply(&reply);
        close(fd);
    }
}

static unsigned long long sum_of(size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + file_byte(i);
    return sum;
}

Test(body, comes_as_a_file)
{
    static const size_t sizes[] = { 0, 1, 100000, 1 << 20, (1 << 20) + 1, 5000001 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *data = malloc(sizes[i] + 1);
        for (size_t at = 0; at < sizes[i]; at++)
            data[at] = file_byte(at);
        int fd = dial(service.server);
        put(fd, "PUT /spooled HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
        put_bytes(fd, data, sizes[i]);
        char expected[128];
        snprintf(expected, sizeof expected, "{\"size\":%zu,\"told\":%zu,\"sum\":\"%llx\",\"links\":0}", sizes[i],
                 sizes[i], sum_of(sizes[i]));
        expect_reply(fd, 200, expected);
        free(data);
        close(fd);
    }
}

Test(body, of_64_mb_is_not_held_in_memory)
{
    int fd = dial(service.server);
    long before = resident_kb();
    put(fd, "PUT /spooled HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 64 << 20);
    put_zeros(fd, (64 << 20) - 1);
    long anonymous = 0, kb = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "RssAnon: %ld", &kb) == 1)
            anonymous = kb;
    fclose(status);
    cr_expect(!MEASURES_MEMORY || anonymous - before < 16 * 1024, "%ld kB more", anonymous - before);
    put(fd, "x");
    expect_reply(fd, 200, "\"size\":67108864");
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

Test(body_alone, and_head_have_their_time)
{
    service.options.head_ms = 1000;
    service.options.stall_ms = 4000;
    service_start();
    int head = dial(service.server), idle = dial(service.server), upload = dial(service.server),
        trickle = dial(service.server);
    put(head, "GET /public/a HTTP/1.1\r\nHost: x\r\n");
    put(upload, "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    put(trickle, "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        put(trickle, "%d", i);
        put(head, "A: b\r\n");
        poll(NULL, 0, 500);
    }
    expect_reply(trickle, 200, "\"body\":\"0123456789\"");
    expect_reply(head, 408, "\"status\":408");
    expect_reply(upload, 408, "\"status\":408");
    cr_expect(is_closed(idle, 30000));
    cr_expect(is_closed(head, 30000));
    cr_expect(is_closed(upload, 30000));
    close(head);
    close(idle);
    close(upload);
    close(trickle);
}

Test(body_alone, that_nobody_takes_is_cut, .timeout = 60)
{
    service.options.take_ms = 2000;
    service_start();
    poll(NULL, 0, 50);
    size_t before = open_descriptors();
    int stalled = dial(service.server), slow = dial(service.server);
    int small = 4096;
    setsockopt(stalled, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    put(stalled, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    put(slow, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    char buffer[20000];
    /* of the two: the stalled one loses its connection and its file in the server */
    for (int i = 0; i < 10 || (i < 60 && open_descriptors() > before + 4); i++) {
        poll(NULL, 0, 500);
        ssize_t now = recv(slow, buffer, sizeof buffer, 0);
        cr_assert_gt(now, 0, "a slow reader is no stalled one");
    }
    cr_expect_leq(open_descriptors(), before + 4);
    close(stalled);
    close(slow);
    expect_descriptors(before, 30000);
}

/* Goes away in every phase of a request: nothing stays behind. Run under a sanitizer it also sees every byte freed. */
Test(body, leaves_nothing_of_clients_that_vanish)
{
    static const char *const phases[] = {
        "",
        "G",
        "GET /public/a HTTP/1.1\r\nHost: x\r\n",
        "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "PUT /spooled HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "PUT /spooled HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /pub",
        "GET /file HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /public/loop HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /public/kept HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nabc",
        "GET /piped?count=50 HTTP/1.1\r\nHost: x\r\n\r\n",
        "nonsense\r\n\r\n",
    };
    poll(NULL, 0, 50);
    size_t before = open_descriptors();
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
            int fd = dial(service.server);
            put_bytes(fd, phases[i], strlen(phases[i]));
            if (round & 1)
                poll(NULL, 0, 5);
            if (round & 2) { /* with a reset */
                struct linger now = { .l_onoff = 1 };
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
            }
            close(fd);
        }
    }
    expect_descriptors(before, 30000);
    struct reply reply = ask(service.server, "GET /metrics", NULL, NULL);
    cr_expect(strstr(reply.body, "tonearm_http_connections 1\n"), "%s", reply.body);
    free_reply(&reply);
}

static uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Flips, cuts, doubles and joins. */
static size_t mutate(uint64_t *state, const char *from, char *out, size_t room)
{
    size_t size = strlen(from);
    memcpy(out, from, size);
    for (uint64_t changes = next_number(state) % 4; changes-- > 0 && size > 1;) {
        size_t at = next_number(state) % size, length = next_number(state) % (size - at);
        switch (next_number(state) % 4) {
        case 0:
            out[at] = (char)next_number(state);
            break;
        case 1:
            memmove(out + at, out + at + length, size - at - length);
            size -= length;
            break;
        case 2:
            if (size + length <= room) {
                memmove(out + at + length, out + at, size - at);
                size += length;
            }
            break;
        default:
            out[at] = "\r\n :%0"[next_number(state) % 6];
        }
    }
    return size;
}

Test(body, of_nonsense_ends_nothing_but_its_connection, .timeout = 120)
{
    static const char *const seeds[] = {
        "GET /public/a?q=%20b HTTP/1.1\r\nHost: x\r\nX-API-Key: general\r\n\r\nGET /public/loop HTTP/1.1\r\nHost: "
        "x\r\n\r\n",
        "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcdePUT /spooled HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\nIf-None-Match: \"a\", W/\"b\"\r\nConnection: "
        "close\r\n\r\n",
        "PUT /spooled HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "HEAD /key/kept HTTP/1.1\r\nHost: x\r\nX-Tonearm-Edge: the secret of the edge\r\nX-Forwarded-For: a, "
        "1.2.3.4\r\n\r\n",
    };
    uint64_t state = 20261120;
    char text[4096], answer[65536];
    for (int i = 0; i < 3000; i++) {
        int fd = dial(service.server);
        put_bytes(fd, text, mutate(&state, seeds[next_number(&state) % 5], text, sizeof text));
        if (i % 2)
            shutdown(fd, SHUT_WR);
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (poll(&wait, 1, i % 4 ? 20 : 0) == 1)
            cr_assert_leq(recv(fd, answer, sizeof answer, 0), (ssize_t)sizeof answer);
        close(fd);
        if (i % 500 == 499) {
            struct reply reply = ask(service.server, "GET /public/a", NULL, NULL);
            cr_assert_eq(reply.status, 200, "after %d", i);
            free_reply(&reply);
        }
    }
}
