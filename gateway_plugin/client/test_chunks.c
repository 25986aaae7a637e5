#include "client/chunks.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static char decoded[256];

/* Fed `step` bytes at a time. */
static enum chunks_state decode(const char *text, size_t step, size_t *rest)
{
    struct chunks chunks = { 0 };
    size_t size = strlen(text), at = 0, got = 0;
    enum chunks_state state = CHUNKS_MORE;
    decoded[0] = 0;
    while (at < size && state == CHUNKS_MORE) {
        size_t part = size - at < step ? size - at : step, used, payload;
        char *copy = malloc(part);
        memcpy(copy, text + at, part);
        state = chunks_read(&chunks, copy, part, &used, copy, &payload);
        memcpy(decoded + got, copy, payload);
        free(copy);
        got += payload;
        at += used;
    }
    decoded[got] = 0;
    *rest = size - at;
    return state;
}

Test(chunks, gives_the_payload_however_it_is_cut)
{
    static const char text[] =
        "5\r\nhello\r\n6;name=\"v\"\r\n world\r\nA \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext";
    size_t rest;
    for (size_t step = 1; step < sizeof text; step++) {
        cr_expect_eq(decode(text, step, &rest), CHUNKS_END, "%zu", step);
        cr_expect_str_eq(decoded, "hello world0123456789", "%zu", step);
        cr_expect_eq(rest, 4u);
    }
}

Test(chunks, refuses_what_is_not_exactly_so)
{
    static const char *const cases[] = {
        "0x3\r\nabc\r\n0\r\n\r\n",
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\na\r\n",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "1000000000000\r\n",
        "0\r\n\n",
        "0\r\nX: \x01\r\n\r\n",
        "3;\x01\r\nabc\r\n",
        "3\r\rabc",
    };
    size_t rest;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(decode(cases[i], 100, &rest), CHUNKS_BAD, "%s", cases[i]);
}

Test(chunks, bounds_what_carries_nothing)
{
    struct chunks chunks = { 0 };
    size_t used, payload;
    cr_assert_eq(chunks_read(&chunks, "3;", 2, &used, NULL, &payload), CHUNKS_MORE);
    enum chunks_state state = CHUNKS_MORE;
    size_t total = 0;
    for (; state == CHUNKS_MORE && total < 1 << 20; total++)
        state = chunks_read(&chunks, "x", 1, &used, NULL, &payload);
    cr_expect_eq(state, CHUNKS_BAD);
    cr_expect_lt(total, 10000u);
}
