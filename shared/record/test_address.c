#include "record/record.h"

#include "record/unicode.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(address, .fini = teardown);

static char *repeat(char c, int times, const char *after)
{
    char *text = arena_alloc(&arena, (size_t)times + strlen(after) + 1);
    memset(text, c, (size_t)times);
    strcpy(text + times, after);
    return text;
}

Test(address, takes_addresses_that_people_have)
{
    static const char *const good[] = {
        "a@b.cd",
        "ann.lee+tag@mail.example.co.uk",
        "o'hara@example.com",
        "x_1-2=3@a-b.org",
        "\u00fcn\u00ef@b\u00fccher.de",
        "\u7528\u6237@\u4f8b\u5b50.\u516c\u53f8",
        "a@xn--bcher-kva.de",
        "A@EXAMPLE.COM",
        "1@2.com",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(is_email(good[i]), "%s", good[i]);
    cr_expect(is_email(repeat('a', 64, "@example.com")));
}

Test(address, refuses_the_rest)
{
    static const char *const bad[] = {
        "",
        "@",
        "a",
        "a@",
        "@b.cd",
        "a@b",
        "a@b.1",
        "a@1.2.3.4",
        "a@[1.2.3.4]",
        "a@b..cd",
        "a@.b.cd",
        "a@b.cd.",
        ".a@b.cd",
        "a.@b.cd",
        "a..b@c.de",
        "a b@c.de",
        "a@b c.de",
        "a@@b.cd",
        "a@b@c.de",
        "\"a b\"@c.de",
        "a@-b.cd",
        "a@b-.cd",
        "a@b_c.de",
        "a<b@c.de",
        "a@b.cd\n",
        "a\n@b.cd",
        "a@b.cd>",
        "a,b@c.de",
        "a@b.c\xff",
        "\xff@b.cd",
        "a\u202e@b.cd",
        "a\u00a0b@c.de",
        "a@b\u200d.cd",
        "a@\u2028.cd",
        "a(comment)@b.cd",
        "a@b.cd,c@d.ef",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(is_email(bad[i]), "%s", bad[i]);
    cr_expect_not(is_email(repeat('a', 65, "@example.com")));
    cr_expect_not(is_email(arena_printf(&arena, "a@%s", repeat('b', 64, ".com"))));
    char *domain = "com";
    for (int i = 0; i < 5; i++)
        domain = arena_printf(&arena, "%s.%s", repeat('b', 60, ""), domain);
    cr_expect_not(is_email(arena_printf(&arena, "a@%s", domain)));
}

Test(address, knows_two_spellings_of_one_address)
{
    static const char *const same[][2] = {
        { "Ann@Example.COM", "ann@example.com" },     { "ZO\u00cb@x.org", "zoe\u0308@x.org" },
        { "stra\u00dfe@x.org", "STRASSE@X.org" },     { "a@B\u00dcCHER.de", "a@bu\u0308cher.de" },
        { "a@xn--bcher-kva.de", "a@b\u00fccher.de" },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        cr_expect_str_eq(email_key(&arena, same[i][0]), email_key(&arena, same[i][1]), "%s", same[i][0]);
    cr_expect_str_eq(email_key(&arena, "Ann@Example.COM"), "ann@example.com");
    cr_expect_str_neq(email_key(&arena, "a@stra\u00dfe.de"), email_key(&arena, "a@strasse.de"), "two domains");
    cr_expect_str_eq(email_key(&arena, "No Address"), "no address");
    cr_expect_not_null(email_key(&arena, "\xff@\xff"));
}

Test(address, takes_pages_only)
{
    static const char *const good[] = {
        "http://x.org",
        "https://x.org/a/b.png?c=d&e=%20#f",
        "HTTPS://x.org",
        "http://localhost:8000/",
        "http://127.0.0.1/x",
        "http://[::1]:80/x",
        "https://b\u00fccher.de/\u00fc",
        "http://x.org?x",
        "http://a-b.c1.org/",
    };
    static const char *const bad[] = {
        "",
        "http://",
        "http:///x",
        "https://?x",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://x.org",
        "//x.org",
        "x.org",
        "http:/x.org",
        "http://user@x.org",
        "http://user:pw@x.org/",
        "http://x.org:0/",
        "http://x.org:65536/",
        "http://x.org:8a/",
        "http://x.org:/",
        "http://[::1/",
        "http://[::g]/",
        "http://[::1]x/",
        "http://1.2.3.4.5/",
        "http://-x.org/",
        "http://x..org/",
        "http://x.org\\@evil.com/",
        "http://x.org/a b",
        "http://x.org/\"",
        "http://x.org/<script>",
        "http://x.org/%",
        "http://x.org/%4",
        "http://x.org/%zz",
        "http://x.org/\n",
        "http://x.org/\u202e",
        "http://x.org/\xff",
        "http://x_y.org/",
        " http://x.org",
        "http://x.org ",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(is_http_url(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(is_http_url(bad[i]), "%s", bad[i]);
    cr_expect_not(is_http_url(arena_printf(&arena, "http://x.org/%s", repeat('a', 2048, ""))));
}

Test(address, leaves_broken_text_alone)
{
    cr_expect_str_eq(unicode_nfc(&arena, "a\xff"), "a\xff");
    cr_expect_str_eq(unicode_fold(&arena, "A\xff"), "A\xff");
    cr_expect_str_eq(unicode_nfc(&arena, ""), "");
    cr_expect_str_eq(unicode_nfc(&arena, "\u0958"), "\u0915\u093c", "NFC may be longer");
    cr_expect_str_eq(unicode_fold(&arena, "\u0390"), "\u0390");
    cr_expect_str_eq(unicode_fold(&arena, "\uFB03"), "ffi");
}
