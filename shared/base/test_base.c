/* The small parts: arena, buf, ctx, clock, text, random. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/ctx.h"
#include "base/random.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(base, .fini = teardown);

Test(base, arena_gives_zeroed_and_aligned_memory)
{
    for (size_t size = 0; size < 20000; size = size * 2 + 1) {
        unsigned char *at = arena_alloc(&arena, size);
        cr_assert_not_null(at);
        cr_assert_eq((uintptr_t)at % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(at[i], 0);
        memset(at, 0xff, size); /* what comes next must not lie in it, nor show it */
    }
    arena_free(&arena);
    char *again = arena_alloc(&arena, 100);
    cr_expect_eq(again[99], 0);
}

Test(base, arena_copies)
{
    cr_expect_null(arena_strdup(&arena, NULL));
    cr_expect_str_eq(arena_strdup(&arena, ""), "");
    cr_expect_str_eq(arena_memdup(&arena, NULL, 0), "");
    cr_expect_str_eq(arena_memdup(&arena, "abcdef", 3), "abc");
    cr_expect_str_eq(arena_printf(&arena, "%s-%05d", "x", 42), "x-00042");
    char *big = arena_printf(&arena, "%0100000d", 7);
    cr_expect_eq(strlen(big), 100000);
    struct node {
        int a;
    };
    cr_expect_not_null(arena_new(&arena, struct node));
    cr_expect_not_null(arena_array(&arena, struct node, 0));
}

Test(base, arena_refuses_a_size_that_overflows, .signal = SIGABRT)
{
    volatile size_t count = SIZE_MAX / 4;
    arena_array(&arena, int64_t, count);
}

Test(base, buf_grows)
{
    struct buf buf = BUF(&arena);
    cr_expect_null(buf.data);
    buf_text(&buf, "");
    cr_expect_str_eq(buf.data, "");
    for (int i = 0; i < 10000; i++)
        buf_printf(&buf, "%d,", i % 10);
    cr_expect_eq(buf.size, 20000);
    cr_expect_eq(strlen(buf.data), 20000);
    buf_add(&buf, "a\0b", 3);
    cr_expect_eq(buf.size, 20003);
    cr_expect_eq(buf.data[20003], 0);
    buf_char(&buf, 'z');
    buf_printf(&buf, "%s", "");
    cr_expect_str_eq(buf.data + 20002, "bz");
}

Test(base, buf_writes_json_text)
{
    static const char *const cases[][2] = {
        { NULL, "null" },
        { "", "\"\"" },
        { "plain \u00e9\u20ac\U0001f3b5/", "\"plain \u00e9\u20ac\U0001f3b5/\"" },
        { "q\"b\\n\nt\tr\r", "\"q\\\"b\\\\n\\nt\\u0009r\\u000d\"" },
        { "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
        { "a\xff"
          "b",
          "\"a\ufffdb\"" },
        { "\xc3", "\"\ufffd\"" },                               /* cut off */
        { "\xc0\xaf", "\"\ufffd\ufffd\"" },                     /* overlong */
        { "\xed\xa0\x80", "\"\ufffd\ufffd\ufffd\"" },           /* surrogate */
        { "\xf4\x90\x80\x80", "\"\ufffd\ufffd\ufffd\ufffd\"" }, /* past U+10FFFF */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf buf = BUF(&arena);
        buf_json(&buf, cases[i][0]);
        cr_expect_str_eq(buf.data, cases[i][1], "%s", buf.data);
    }
}

Test(base, buf_writes_json_that_reads_back)
{
    srand(7);
    for (int round = 0; round < 2000; round++) {
        char text[65] = "";
        for (int i = 0; i < rand() % 64; i++)
            text[i] = (char)(rand() % 255 + 1);
        struct buf buf = BUF(&arena);
        buf_json(&buf, text);
        json_t *read = json_loadb(buf.data, buf.size, JSON_DECODE_ANY, NULL);
        cr_assert_not_null(read, "%s", buf.data);
        cr_assert(!utf8_valid(text, strlen(text)) || strcmp(json_string_value(read), text) == 0);
        json_decref(read);
    }
}

Test(base, ctx_keeps_the_chain_of_causes)
{
    struct ctx ctx = { 0 };
    cr_expect_null(ctx_fail(&ctx, ERROR_NOT_FOUND, "no %s", "thing"));
    cr_expect_not(ctx_forgive(&ctx, ERROR_CONFLICT));
    ctx_fail(&ctx, ERROR_UNAVAILABLE, "later");
    cr_expect_str_eq(ctx.error->message, "later");
    cr_expect_str_eq(ctx.error->cause->message, "no thing");
    cr_expect_not_null(strstr(ctx.error->where, "test_base.c:"));
    cr_expect(ctx_forgive(&ctx, ERROR_UNAVAILABLE));
    cr_expect_null(ctx.error);
    ctx_violation(&ctx, "name", "min", "too %s", "short");
    ctx_violation(&ctx, "mail", "email", "none");
    cr_expect_eq(ctx.error->code, ERROR_INVALID);
    cr_expect_null(ctx.error->cause);
    cr_expect_str_eq(ctx.error->violations->message, "too short");
    cr_expect_str_eq(ctx.error->violations->next->field, "mail");
    ctx_finish(&ctx);
    cr_expect_null(ctx.error);
}

Test(base, ctx_knows_how_long_there_is)
{
    struct ctx ctx = { 0 };
    cr_expect_eq(ctx_left_ms(&ctx, 500), 500);
    ctx.deadline_ms = clock_ms() + 10000;
    cr_expect_eq(ctx_left_ms(&ctx, 500), 500);
    int64_t left = ctx_left_ms(&ctx, 20000);
    cr_expect(left > 9000 && left <= 10000);
    ctx.deadline_ms = clock_ms() - 1;
    cr_expect_eq(ctx_left_ms(&ctx, 500), 0);
}

Test(base, errors_have_statuses)
{
    cr_expect_eq(error_http_status(ERROR_INVALID), 400);
    cr_expect_eq(error_http_status(ERROR_DISK_FULL), 507);
    cr_expect_eq(error_of_status(429), ERROR_LIMITED);
    cr_expect_eq(error_of_status(418), ERROR_INTERNAL);
}

Test(base, clock_reads_what_it_writes)
{
    static const int64_t times[] = { 0,           1, -1, 1795200721123, -62135596800000, 253402300799999, 951782400000,
                                     951868799999 };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t back = 7;
        const char *text = clock_format(&arena, times[i]);
        cr_expect(clock_parse(text, &back), "%s", text);
        cr_expect_eq(back, times[i], "%s", text);
    }
    cr_expect_str_eq(clock_format(&arena, 1795200721123), "2026-11-20T18:52:01.123Z");
    cr_expect_str_eq(clock_format(&arena, -1), "1969-12-31T23:59:59.999Z");
    cr_expect_eq(strlen(clock_format(&arena, INT64_MAX)), 24, "out of the calendar: its last millisecond");
    cr_expect_str_eq(clock_format(&arena, INT64_MIN), "0000-01-01T00:00:00.000Z");
}

Test(base, clock_reads_rfc_3339_and_nothing_else)
{
    static const struct {
        const char *text;
        int64_t wanted;
    } good[] = {
        { "2026-11-20T18:52:01Z", 1795200721000 },           { "2026-11-20t18:52:01z", 1795200721000 },
        { "2026-11-20 18:52:01Z", 1795200721000 },           { "2026-11-20T18:52:01.1Z", 1795200721100 },
        { "2026-11-20T18:52:01.123456789Z", 1795200721123 }, { "2026-11-20T20:52:01+02:00", 1795200721000 },
        { "2026-11-20T13:22:01-05:30", 1795200721000 },      { "2016-12-31T23:59:60Z", 1483228800000 },
        { "2024-02-29T00:00:00Z", 1709164800000 },           { "2000-02-29T00:00:00Z", 951782400000 },
    };
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-20",
        "2026-11-20T18:52Z",
        "2026-11-20T18:52:01",
        "2026-11-20T18:52:01.Z",
        "2026-11-20T18:52:01.1234567890Z",
        "2026-11-20T18:52:01+0200",
        "2026-11-20T18:52:01+02",
        "2026-11-20T18:52:01+24:00",
        "2026-11-20T18:52:01+02:60",
        "2026-11-20T18:52:01Zx",
        "2026-11-20T18:52:01+02:00x",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "+026-01-01T00:00:00Z",
        "2026- 1-01T00:00:00Z",
        "2026-01-01X00:00:00Z",
        " 2026-01-01T00:00:00Z",
        "2026/01/01T00:00:00Z",
        "2026-01-01T00.00.00Z",
        "2026-01-01T00:00:00+ 2:00",
        "2026-01-01T00:00:00+0x:00",
        "2026-01-01T00:00:00,5Z",
        "12026-01-01T00:00:00Z",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t at = 0;
        cr_expect(clock_parse(good[i].text, &at), "%s", good[i].text);
        cr_expect_eq(at, good[i].wanted, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t at;
        cr_expect_not(clock_parse(bad[i], &at), "%s", bad[i]);
    }
}

Test(base, text_knows_utf8)
{
    cr_expect_eq(utf8_length("a"), 1);
    cr_expect_eq(utf8_length(""), 0);
    cr_expect_eq(utf8_length("\u00e9"), 2);
    cr_expect_eq(utf8_length("\u20ac"), 3);
    cr_expect_eq(utf8_length("\U0001f3b5"), 4);
    cr_expect_eq(utf8_length("\xe2\x82"), 0);
    cr_expect_eq(utf8_count("\u00e9\xff"
                            "a\U0001f3b5"),
                 4);
    cr_expect(utf8_valid("\u00e9", 2));
    cr_expect(utf8_valid("", 0));
    cr_expect_not(utf8_valid("\u00e9", 1), "a character cut off by the size");
    cr_expect_not(utf8_valid("a\0b", 3));
    for (uint32_t wanted = 1; wanted < 0x110000; wanted += 37) {
        char text[5] = "";
        if (wanted >= 0xd800 && wanted < 0xe000)
            continue;
        if (wanted < 0x80)
            text[0] = (char)wanted;
        else if (wanted < 0x800)
            text[0] = (char)(0xc0 | wanted >> 6), text[1] = (char)(0x80 | (wanted & 63));
        else if (wanted < 0x10000)
            text[0] = (char)(0xe0 | wanted >> 12), text[1] = (char)(0x80 | (wanted >> 6 & 63)),
            text[2] = (char)(0x80 | (wanted & 63));
        else
            text[0] = (char)(0xf0 | wanted >> 18), text[1] = (char)(0x80 | (wanted >> 12 & 63)),
            text[2] = (char)(0x80 | (wanted >> 6 & 63)), text[3] = (char)(0x80 | (wanted & 63));
        const char *at = text;
        cr_assert_eq(utf8_next(&at), wanted);
        cr_assert_eq(*at, 0);
    }
}

Test(base, text_is_plain_up_to_what_is_not)
{
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < 19; at++) {
            char text[19];
            memset(text, at % 2 ? ' ' : '~', sizeof text);
            text[at] = (char)c;
            cr_assert_eq(text_plain(text, sizeof text), c >= 0x20 && c < 0x7f ? sizeof text : at, "%d at %zu", c, at);
        }
    cr_assert_eq(text_plain("", 0), 0);
}

Test(base, utf8_reads_no_further_than_the_size)
{
    char *exact = malloc(2); /* no NUL after it: the sanitizer watches */
    memcpy(exact, "a\xe2", 2);
    cr_expect_not(utf8_valid(exact, 2));
    memcpy(exact, "\xc3\xa9", 2);
    cr_expect(utf8_valid(exact, 2));
    free(exact);
}

Test(base, text_answers)
{
    cr_expect(text_equal("a", "a"));
    cr_expect(text_equal(NULL, NULL));
    cr_expect_not(text_equal("a", NULL));
    cr_expect_not(text_equal(NULL, ""));
    cr_expect(text_starts("abc", "ab") && text_starts("abc", "") && !text_starts("a", "ab"));
    cr_expect(text_ends("abc", "bc") && text_ends("abc", "") && !text_ends("c", "bc"));
    cr_expect_str_eq(text_lower(&arena, "ABC-xyz-\u00c9"), "abc-xyz-\u00c9");
    cr_expect(text_secret_equal("abc", "abc") && !text_secret_equal("abc", "abd") && !text_secret_equal("abc", "ab"));
}

Test(base, text_reads_numbers)
{
    int64_t n;
    cr_expect(text_number("0", 5, &n) && n == 0);
    cr_expect(text_number("005", 5, &n) && n == 5);
    cr_expect(text_number("9223372036854775807", INT64_MAX, &n) && n == INT64_MAX);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "6", "10", "9223372036854775808", "99999999999999999999999"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(text_number(bad[i], 5, &n), "%s", bad[i]);
    cr_expect_not(text_number("9223372036854775808", INT64_MAX, &n));
    cr_expect_not(text_number("9", 5, &n), "a first digit past the bound");
    cr_expect_not(text_number("1", 0, &n));
}

Test(base, hex_goes_both_ways)
{
    unsigned char raw[4];
    cr_expect_str_eq(hex_encode(&arena, "\x00\xff\x1a", 3), "00ff1a");
    cr_expect(hex_decode("00FF1a2b", raw, 4) && raw[1] == 0xff && raw[3] == 0x2b);
    cr_expect_not(hex_decode("00ff1a2", raw, 4));
    cr_expect_not(hex_decode("00ff1a2b0", raw, 4));
    cr_expect_not(hex_decode("00ff1a2g", raw, 4));
    cr_expect_not(hex_decode("", raw, 4));
    cr_expect(hex_decode("", raw, 0));
}

Test(base, ids_are_new_and_sort_by_birth)
{
    const char *before = id_new(&arena);
    for (int i = 0; i < 1000; i++) {
        const char *id = id_new(&arena);
        cr_assert(id_valid(id));
        cr_assert_str_neq(id, before);
        cr_assert_leq(strncmp(before, id, 8), 0);
        before = id;
    }
    cr_expect_not(id_valid(NULL));
    cr_expect_not(id_valid(""));
    cr_expect_not(id_valid("0123456789ABCDEF01234567"));
    cr_expect_not(id_valid("0123456789abcdef0123456"));
    cr_expect_not(id_valid("0123456789abcdef012345678"));
    for (size_t bytes = 1; bytes <= 64; bytes++) {
        const char *text = random_text(&arena, bytes);
        cr_expect_eq(strlen(text), (bytes * 8 + 5) / 6, "%zu: %s", bytes, text);
        cr_expect_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(text));
    }
}

Test(ctx, a_part_never_lasts_longer_than_the_whole)
{
    struct ctx ctx = { 0 };
    cr_expect_eq(ctx_shorten(&ctx, 1000), 0);
    cr_expect_leq(ctx_left_ms(&ctx, 60000), 1000);
    int64_t whole = ctx.deadline_ms;
    cr_expect_eq(ctx_shorten(&ctx, 60000), whole);
    cr_expect_leq(ctx.deadline_ms, whole);
    cr_expect_gt(ctx.deadline_ms, clock_ms());
}
