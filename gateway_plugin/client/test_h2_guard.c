#include "client/h2_guard.h"

#include <criterion/criterion.h>
#include <string.h>

#define V16 "vvvvvvvvvvvvvvvv"
#define V128 V16 V16 V16 V16 V16 V16 V16 V16

static struct h2_guard guard;
static char stream[1 << 20];
static size_t size;

static void start(void)
{
    h2_guard_start(&guard);
    memcpy(stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    size = 24;
}

static char stream_id = 1;

static void frame(unsigned type, unsigned flags, size_t length)
{
    const char head[9] = {
        (char)(length >> 16), (char)(length >> 8), (char)length, (char)type, (char)flags, 0, 0, 0, stream_id
    };
    memcpy(stream + size, head, 9);
    memset(stream + size + 9, 'x', length);
    size += 9 + length;
}

static const char *feed(size_t step)
{
    const char *fault = NULL;
    for (size_t at = 0; at < size && !fault; at += step)
        fault = h2_guard_read(&guard, stream + at, size - at < step ? size - at : step, 1000);
    return fault;
}

TestSuite(h2_guard, .init = start);

Test(h2_guard, lets_ordinary_traffic_pass_however_it_is_cut)
{
    frame(4, 0, 12);
    for (int i = 0; i < 500; i++) {
        frame(1, 4, 60);  /* HEADERS */
        frame(0, 1, 100); /* DATA */
        frame(8, 0, 4);
    }
    for (int i = 0; i < 100; i++)
        frame(3, 0, 4); /* RST_STREAM */
    for (size_t step = 1; step < 200; step += 13) {
        h2_guard_start(&guard);
        cr_expect_null(feed(step), "%zu", step);
    }
}

Test(h2_guard, cuts_off_floods)
{
    static const struct {
        unsigned type, flags;
        size_t length;
        int count;
    } floods[] = {
        { 3, 0, 4, 201 },    /* resets */
        { 0, 0, 0, 2001 },   /* empty DATA */
        { 0, 0, 1, 2001 },   /* small DATA */
        { 0, 8, 256, 2001 }, /* nothing but padding */
        { 4, 0, 0, 51 },     /* SETTINGS */
        { 6, 0, 8, 101 },    /* PING */
        { 2, 0, 5, 1001 },   /* PRIORITY */
        { 99, 0, 0, 201 },
    };
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        start();
        for (int n = 0; n < floods[i].count - 1; n++)
            frame(floods[i].type, floods[i].flags, floods[i].length);
        cr_expect_null(feed(1000), "%zu", i);
        start();
        for (int n = 0; n < floods[i].count; n++)
            frame(floods[i].type, floods[i].flags, floods[i].length);
        cr_expect_not_null(feed(1000), "%zu", i);
    }
}

Test(h2_guard, bounds_the_requests_of_one_read)
{
    for (int i = 0; i < 512; i++)
        frame(1, 5, 1);
    cr_expect_null(feed(size));
    start();
    for (int i = 0; i < 513; i++)
        frame(1, 5, 1);
    cr_expect_null(feed(1000));
    start();
    for (int i = 0; i < 513; i++)
        frame(1, 5, 1);
    cr_expect_not_null(feed(size));
}

/* The payload of the last frame. */
static void payload(const void *data, size_t length)
{
    memcpy(stream + size - length, data, length);
}

Test(h2_guard, counts_the_fields_of_a_block)
{
    static const char fields[] = "\x82\x86"                               /* two indexed */
                                 "\xff\x80\x01"                           /* indexed, by three bytes */
                                 "\x40\x01x\x03yyy"                       /* added, with a name */
                                 "\x41\x8czzzzzzzzzzzz"                   /* a name by index, a value of twelve */
                                 "\x7f\x01\x02zz"                         /* the same, by two bytes */
                                 "\x0f\x01\x01z"                          /* not added */
                                 "\x10\x01n\x7f\x01" V128 "\x3f\xe1\x1f"; /* a value of 128; a size of the table */
    static const struct {
        size_t lead, pad;
        unsigned flags;
    } framings[] = { { 0, 0, 0 }, { 1, 7, 8 }, { 5, 0, 32 }, { 6, 40, 40 } };
    for (size_t i = 0; i < sizeof framings / sizeof *framings; i++) {
        char data[512] = { (char)framings[i].pad };
        size_t length = framings[i].lead + sizeof fields - 1;
        memcpy(data + framings[i].lead, fields, sizeof fields - 1);
        memset(data + length, 0x82, framings[i].pad);
        length += framings[i].pad;
        for (size_t step = 1; step < 300; step += 7) {
            start();
            frame(1, 4 | framings[i].flags, length);
            payload(data, length);
            cr_expect_null(feed(step));
            cr_expect_eq(guard.fields.count, 9, "%zu: %u", i, guard.fields.count);
        }
    }
}

Test(h2_guard, bounds_the_fields_of_a_block)
{
    char names[10000];
    memset(names, 0xbe, sizeof names);
    frame(1, 0, 200);
    payload(names, 200);
    frame(9, 4, 312);
    payload(names, 312);
    cr_expect_null(feed(100));
    frame(1, 0, 200);
    payload(names, 200);
    frame(9, 0, 200);
    payload(names, 200);
    frame(9, 4, 113);
    payload(names, 113);
    h2_guard_start(&guard);
    cr_expect_not_null(feed(100));
}

Test(h2_guard, counts_by_the_second)
{
    for (int second = 0; second < 10; second++) {
        size = 0;
        for (int i = 0; i < 150; i++)
            frame(3, 0, 4);
        if (!second)
            guard.preface = 0;
        cr_expect_null(h2_guard_read(&guard, stream, size, second * 1000));
    }
}

Test(h2_guard, bounds_a_block_of_headers)
{
    frame(1, 0, 10); /* HEADERS without an end */
    for (int i = 0; i < 20; i++)
        frame(9, 0, 0); /* empty CONTINUATION */
    cr_expect_not_null(feed(64));
    start();
    frame(1, 0, 16000);
    for (int i = 0; i < 4; i++)
        frame(9, 0, 16000);
    const char *fault = feed(4096);
    cr_assert_not_null(fault);
    cr_expect_str_eq(fault, "a block of headers without end");
    start();
    frame(1, 0, 16000);
    frame(9, 4, 16000);
    frame(1, 4, 16000);
    cr_expect_null(feed(4096));
    cr_expect_not(guard.in_block);
}

Test(h2_guard, knows_what_of_the_bodies_is_held)
{
    static const struct {
        char stream;
        unsigned type, flags;
        size_t length, held;
    } steps[] = {
        { 1, 0, 0, 100, 100 }, { 3, 0, 0, 1000, 1100 }, { 1, 0, 0, 10, 1110 },
        { 1, 0, 1, 5, 1000 },  { 5, 0, 1, 7, 1000 },    { 7, 0, 0, 20, 1020 },
        { 3, 3, 0, 4, 20 },    { 7, 1, 5, 3, 0 },       /* trailers */ { 9, 3, 0, 4, 0 },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        size = i ? 0 : size;
        stream_id = steps[i].stream;
        frame(steps[i].type, steps[i].flags, steps[i].length);
        cr_expect_null(feed(50), "%zu", i);
        cr_expect_eq(guard.uploading, steps[i].held, "%zu: %zu", i, guard.uploading);
    }
}

/* Who gives the window back with each frame that he read, from a fast answer, does nothing wrong. */
Test(h2_guard, lets_a_fast_reader_open_its_window)
{
    for (int i = 0; i < 60000; i++) {
        frame(8, 0, 4);
        memcpy(stream + size - 4, "\0\0\0\1", 4);
    }
    cr_expect_null(feed(7));
    start();
    for (int i = 0; i <= 1000; i++) {
        frame(8, 0, 4);
        memset(stream + size - 4, 0, 4);
    }
    cr_expect_str_eq(feed(5), "WINDOW_UPDATE frames of nothing");
}
