/* How an answer's head is told over HTTP/2: see h2_ids.h. */
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "BODY_MAX=1M", "EDGE_THREADS=1", NULL };
    one_start(environment, one_config);
}

TestSuite(edge_http2_ids, .timeout = 60);

/* The HEADERS of the stream's answer; what follows is left. */
static void read_head(int fd, uint32_t stream, struct h2_frame *frame)
{
    do
        cr_assert(h2_read(fd, frame));
    while (frame->type != H2_HEADERS || frame->stream != stream);
}

/* A literal that no table keeps: its value, `size` characters, or NULL. */
static const char *literal(const struct h2_frame *frame, const char *name, unsigned char size)
{
    char start[64];
    size_t name_size = strlen(name);
    start[0] = 0;
    start[1] = (char)name_size;
    memcpy(start + 2, name, name_size);
    start[2 + name_size] = (char)size;
    const char *found = memmem(frame->payload, frame->length, start, name_size + 3);
    return found && (size_t)(found - (const char *)frame->payload) + name_size + 3 + size <= frame->length
               ? found + name_size + 3
               : NULL;
}

EDGE_TEST(edge_http2_ids, tells_ids_so_that_nobody_remembers_them)
{
    static const struct h2_field fields[] = { { ":method", "GET" },  { ":scheme", "http" },   { ":path", "/one/" },
                                              { ":authority", "a" }, { "x-request-id", "i" }, { 0 } };
    static struct h2_frame frame;
    char first[24];
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/one/");
    read_head(fd, 1, &frame);
    const char *id = literal(&frame, "x-request-id", 24);
    cr_assert(id && literal(&frame, "traceparent", 55));
    memcpy(first, id, sizeof first);
    size_t whole = frame.length;
    for (uint32_t stream = 3; stream < 103; stream += 2) {
        h2_get(fd, stream, "/one/");
        read_head(fd, stream, &frame);
        id = literal(&frame, "x-request-id", 24);
        cr_assert(id && memcmp(id, first, sizeof first) != 0);
        /* All else is in the client's table by now. */
        cr_expect(frame.length <= whole, "stream %u: %u bytes, at first %zu", stream, frame.length, whole);
        cr_expect_leq(frame.length, 3 + 12 + 24 + 3 + 11 + 55 + 16 + 30 /* when the date changes */);
    }
    h2_request(fd, 103, H2_END_STREAM, fields);
    read_head(fd, 103, &frame);
    cr_expect(literal(&frame, "x-request-id", 1));
    close(fd);
}

EDGE_TEST(edge_http2_ids, a_head_larger_than_a_frame_passes)
{
    char body[64];
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/one/wide-head");
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect_str_eq(body, "wide");
    h2_get(fd, 3, "/one/");
    cr_expect_eq(h2_answer(fd, 3, body, sizeof body), 200);
    close(fd);
}
