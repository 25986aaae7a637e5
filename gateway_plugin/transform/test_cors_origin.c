/* Which origins fit which rule. */
#include "transform/cors_origin.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *rule, *sent;
    bool fits;
} cases[] = {
    { "*", "http://a.example", true },
    { "http://a.example", "http://a.example", true },
    { "http://a.example", "https://a.example", false },
    { "http://a.example", "http://a.example.evil.example", false },
    { "http://a.example", "http://b.example", false },
    { "http://a.example", "http://a.example:80", true },
    { "http://a.example:80", "http://a.example", true },
    { "https://a.example:443", "https://a.example", true },
    { "http://a.example:8080", "http://a.example:8080", true },
    { "http://a.example:8080", "http://a.example", false },
    { "a.example", "https://a.example:8443", true },
    { "a.example", "https://xa.example", false },
    { "http://.*\\.a\\.example", "http://x.a.example", true },
    { "http://.*\\.a\\.example", "http://x.a.example.evil", false },
    { "http://.*\\.a\\.example", "xhttp://x.a.example", false },
    { "^http://.*\\.a\\.example$", "http://x.a.example", true },
    { "(.*[.])?a[.]example", "https://x.a.example:1234", true },
    { "(.*[.])?a[.]example", "https://a.example.evil", false },
    { "(.*[.])?a[.]example", "https://evil/?a.example", false },
    { "http://a.example", "null", false },
    /* takes very many steps, of which there is a bound */
    { "(a+)+b", "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
};

Test(cors_origin, fits_what_the_rule_means)
{
    struct arena arena = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cors_origin rule = cors_origin_make(&arena, cases[i].rule);
        struct sent_origin sent = sent_origin_read(cases[i].sent, strlen(cases[i].sent));
        cr_expect_eq(cors_origin_fits(&rule, &sent), cases[i].fits, "%s, %s", cases[i].rule, cases[i].sent);
    }
    arena_free(&arena);
}

Test(cors_origin, knows_what_is_no_pattern)
{
    cr_expect(cors_origin_valid("*"));
    cr_expect(cors_origin_valid("http://[a-z]+"));
    cr_expect_not(cors_origin_valid("http://(a"));
    cr_expect_not(cors_origin_valid("**"));
}

Test(cors_origin, finds_the_host)
{
    static const char *const texts[] = { "http://[::1]:8080", "http://[::1]", "https://h", "https://h:1", "null" };
    static const char *const hosts[] = { "[::1]", "[::1]", "h", "h", "null" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sent_origin sent = sent_origin_read(texts[i], strlen(texts[i]));
        cr_expect_eq(sent.host_size, strlen(hosts[i]));
        cr_expect_arr_eq(sent.host, hosts[i], strlen(hosts[i]));
    }
}
