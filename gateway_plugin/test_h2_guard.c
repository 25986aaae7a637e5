#include "h2_guard.h"

#include <criterion/criterion.h>
#include <string.h>

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
        { 3, 0, 4, 201 },  /* resets */
        { 0, 0, 0, 501 },  /* empty DATA */
        { 4, 0, 0, 51 },   /* SETTINGS */
        { 6, 0, 8, 101 },  /* PING */
        { 2, 0, 5, 1001 }, /* PRIORITY */
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
    cr_expect_not_null(feed(4096));
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
