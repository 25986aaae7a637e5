#include "exchange/paths.h"

#include <criterion/criterion.h>
#include <string.h>

/* NULL: refused. */
static const char *normal(const char *in)
{
    static char out[4096];
    struct path path;
    switch (path_look(in, strlen(in), &path)) {
    case PATH_BAD:
        return NULL;
    case PATH_NORMAL:
        return in;
    default:
        if (!path_rewrite(in, strlen(in), out, &path))
            return NULL;
        out[path.total] = 0;
        return out;
    }
}

Test(paths, has_one_form_for_each)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "/", "/" },
        { "/auth/x?y=/../z", "/auth/x?y=/../z" },
        { "//", "/" },
        { "/auth//x", "/auth/x" },
        { "/auth/./x", "/auth/x" },
        { "/auth/../media/x", "/media/x" },
        { "/..", "/" },
        { "/../../x", "/x" },
        { "/a/b/..", "/a/" },
        { "/a/.", "/a/" },
        { "/a/b/../", "/a/" },
        { "/.well-known/jwks.json", "/.well-known/jwks.json" },
        { "/..x/...", "/..x/..." },
        { "/%41%7e", "/A~" },
        { "/a%20b%c3%a9", "/a%20b%C3%A9" },
        { "/\xc3\xa9", "/%C3%A9" },
        { "/a|b", "/a%7Cb" },
        { "/x?q=\xc3\xa9", "/x?q=%C3%A9" },
        { "/x?q=%2f", "/x?q=%2f" },
        { "/x?", "/x?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(normal(cases[i].in), cases[i].out, "%s", cases[i].in);
}

Test(paths, stays_the_same_when_made_normal_again)
{
    static const char *const cases[] = { "/a/../../b//c/./%41%20|\xff?x=\xff", "/%7Ea/..//", "/././.x" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char once[256];
        strcpy(once, normal(cases[i]));
        struct path path;
        cr_expect_eq(path_look(once, strlen(once), &path), strchr(once, '%') ? PATH_REWRITE : PATH_NORMAL);
        cr_expect_str_eq(normal(once), once);
    }
}

Test(paths, refuses_what_can_be_read_in_two_ways)
{
    static const char *const cases[] = {
        "",     "x",     "*",     "http://x/", "/a%2fb", "/a%2Fb", "/a%5cb", "/%2e%2e/b", "/a/%2E", "/a\\b",  "/a#b",
        "/a b", "/a\tb", "/a%00", "/a%0a",     "/a%7f",  "/a%",    "/a%4",   "/a%zz",     "/x?a b", "/x?a#b", "/x?\x01",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_null(normal(cases[i]), "%s", cases[i]);
}

Test(paths, tells_path_from_query)
{
    struct path path;
    cr_assert_eq(path_look("/a/b?c", 6, &path), PATH_NORMAL);
    cr_expect_eq(path.size, 4u);
    cr_expect_eq(path.total, 6u);
    char out[64];
    cr_assert(path_rewrite("/a//b?c/", 8, out, &path));
    cr_expect_eq(path.size, 4u);
    cr_expect_eq(path.total, 7u);
}
