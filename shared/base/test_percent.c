#include "base/percent.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(percent, .fini = teardown);

/* From memory of just this size: what looks further is seen by a sanitizer. */
static char *decode(const char *text, unsigned how, size_t *length)
{
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    char *out = percent_decode(&arena, exact, size, how, length);
    free(exact);
    return out;
}

Test(percent, hex_digits_have_values)
{
    for (int c = -128; c < 256; c++) {
        const char *at = c > 0 ? strchr("0123456789abcdefABCDEF", c) : NULL;
        int value = at ? (int)(at - "0123456789abcdefABCDEF") : -1;
        cr_expect_eq(hex_digit((char)c), value > 15 ? value - 6 : value, "%d", c);
    }
}

Test(percent, a_byte_is_read_within_its_bounds)
{
    cr_expect_eq(percent_byte("%41", 3), 'A');
    cr_expect_eq(percent_byte("%fF", 3), 0xff);
    cr_expect_eq(percent_byte("%00", 3), 0);
    cr_expect_eq(percent_byte("%41", 2), -1);
    cr_expect_eq(percent_byte("%", 1), -1);
    cr_expect_eq(percent_byte("", 0), -1);
    cr_expect_eq(percent_byte("%4g", 3), -1);
    cr_expect_eq(percent_byte("%g4", 3), -1);
    cr_expect_eq(percent_byte("a41", 3), -1);
}

Test(percent, escapes_are_decoded)
{
    size_t length;
    cr_expect_str_eq(decode("a%20b%2fc%2B+%C3%A9", 0, &length), "a b/c++\u00e9");
    cr_expect_eq(length, 9);
    cr_expect_str_eq(decode("a+b%2B", PERCENT_PLUS, NULL), "a b+");
    cr_expect_str_eq(decode("%2541", 0, NULL), "%41", "once, and no more");
    cr_expect_str_eq(decode("", 0, &length), "");
    cr_expect_eq(length, 0);
}

Test(percent, what_is_no_escape_gives_nothing_or_stays)
{
    static const char *const bad[] = { "%", "a%", "%4", "%4g", "%g4", "%%41", "%-1", "% 1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_null(decode(bad[i], PERCENT_PLUS, NULL), "%s", bad[i]);
    cr_expect_str_eq(decode("%", PERCENT_LOOSE, NULL), "%");
    cr_expect_str_eq(decode("a%4+%zz%41", PERCENT_LOOSE | PERCENT_PLUS, NULL), "a%4 %zzA");
    cr_expect_str_eq(decode("%%41", PERCENT_LOOSE, NULL), "%A");
}

Test(percent, a_nul_comes_only_to_who_takes_a_length)
{
    size_t length = 0;
    cr_expect_null(decode("a%00b", 0, &length));
    cr_expect_null(percent_decode(&arena, "a\0b", 3, 0, &length));
    cr_expect_str_eq(decode("a%00b", PERCENT_LOOSE, NULL), "a%00b");
    cr_expect_arr_eq(decode("a%00b", PERCENT_LOOSE, &length), "a\0b", 4);
    cr_expect_eq(length, 3);
}

Test(percent, all_bytes_go_both_ways)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct buf out = BUF(&arena);
    percent_encode(&out, all, sizeof all, "/:");
    cr_expect(strstr(out.data, "%00%01") && strstr(out.data, "-./0123456789:%3B") && strstr(out.data, "%FE%FF"));
    cr_expect(
        strstr(out.data, "%40ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F%80"));
    size_t length = 0;
    cr_expect_arr_eq(percent_decode(&arena, out.data, out.size, PERCENT_LOOSE, &length), all, sizeof all);
    cr_expect_eq(length, sizeof all);
}
