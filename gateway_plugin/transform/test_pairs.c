#include "transform/pairs.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;
static struct pairs pairs;

static bool json(const char *text)
{
    return pairs_read_json(&pairs, &arena, text, strlen(text));
}

static void form(const char *text)
{
    cr_assert(pairs_read_form(&pairs, &arena, text, strlen(text)));
}

static void expect(const char *text)
{
    struct buf out = BUF(&arena);
    pairs_write(&pairs, &out);
    cr_expect_str_eq(out.data ? out.data : "", text);
    arena_free(&arena);
}

Test(pairs, leaves_what_is_not_named_byte_for_byte)
{
    cr_assert(json(" { \"a\" : 1.10 ,\n\"b\":{\"c\":[1,\"}\"]}, \"s\":\"\\u00e9\" } "));
    cr_expect_not(pairs.changed);
    pairs_remove(&pairs, "x");
    cr_expect_not(pairs.changed);
    pairs_add(&pairs, "n", "12345678901234567890");
    cr_expect(pairs.changed);
    expect("{\"a\" : 1.10,\"b\":{\"c\":[1,\"}\"]},\"s\":\"\\u00e9\",\"n\":12345678901234567890}");
}

Test(pairs, changes_members_of_an_object)
{
    cr_assert(json("{\"a\":1,\"b\":\"x\",\"p\\u0061ss\":\"secret\",\"c\":[],\"d\":[1, 2 ]}"));
    pairs_remove(&pairs, "pass");
    pairs_rename(&pairs, "a", "b");
    pairs_rename(&pairs, "none", "c");
    pairs_replace(&pairs, "none", "1");
    pairs_add(&pairs, "b", "2");
    pairs_append(&pairs, "b", "\"y\"");
    pairs_append(&pairs, "c", "3");
    pairs_append(&pairs, "d", "3");
    pairs_append(&pairs, "new", "4");
    expect("{\"b\":[1,\"y\"],\"c\":[3],\"d\":[1, 2,3],\"new\":[4]}");
}

Test(pairs, removes_every_member_of_that_name)
{
    cr_assert(json("{\"a\":1,\"b\":2,\"a\":3}"));
    pairs_remove(&pairs, "a");
    expect("{\"b\":2}");
    cr_assert(json("{\"a\":1,\"b\":2,\"a\":3}"));
    pairs_replace(&pairs, "a", "9");
    expect("{\"a\":9,\"b\":2}");
}

Test(pairs, reads_objects_only)
{
    static const char *const bad[] = { "",         "[1]",         "1",          "{",           "{\"a\"",
                                       "{\"a\":}", "{\"a\":1",    "{\"a\":1,}", "{\"a\":[1}}", "{\"a\":1}x",
                                       "{a:1}",    "{\"a\":\"x}", "{\"a\" 1}",  "{\"a\\\":1}", "{\"\\ud800\":1}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(json(bad[i]), "%s", bad[i]);
    cr_expect_not(pairs_read_json(&pairs, &arena, "{\"a\":\0}", 7), "a NUL is no JSON");
    cr_expect(json("{}"));
    expect("{}");
    char deep[2048];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    cr_expect_not(pairs_read_json(&pairs, &arena, deep, sizeof deep));
    arena_free(&arena);
}

Test(pairs, changes_fields_of_a_form)
{
    form("a=1&b=x%20y&a=2&flag&c=%C3%A9&&e=");
    cr_expect_str_eq(pairs_find(&pairs, "b")->value, "x y");
    pairs_replace(&pairs, "a", "3 & 4");
    pairs_rename(&pairs, "b", "B");
    pairs_remove(&pairs, "flag");
    pairs_add(&pairs, "e", "no");
    pairs_add(&pairs, "f", "yes");
    pairs_append(&pairs, "c", "\xc3\xa4");
    expect("a=3%20%26%204&B=x%20y&c=%C3%A9&e=&f=yes&c=%C3%A4");
    form("");
    expect("");
}

Test(pairs, has_a_bound)
{
    size_t size = 2 * (PAIRS_MAX + 1);
    char *many = malloc(size);
    for (size_t i = 0; i < size; i++)
        many[i] = i % 2 ? '&' : 'a';
    cr_expect_not(pairs_read_form(&pairs, &arena, many, size));
    cr_expect(pairs_read_form(&pairs, &arena, many, size - 2));
    arena_free(&arena);
    free(many);
}
