#include "client/head_check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct head head;

static enum head_state check(const char *text)
{
    /* Of the exact size, so that the sanitizer sees a step too far. */
    size_t size = strlen(text);
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    enum head_state state = head_check(copy, size, 0, &head);
    free(copy);
    return state;
}

#define HOST "Host: x\r\n"

Test(head_check, takes_what_has_one_reading)
{
    cr_expect_eq(check("GET / HTTP/1.1\r\n" HOST "\r\n"), HEAD_GOOD);
    cr_expect_eq(head.length, -1);
    cr_expect_eq(head.size, 27u);
    cr_expect_eq(check("\r\nGET /a?b HTTP/1.1\r\nHOST:x:80\r\nX: \ty z \r\nEmpty:\r\n\r\nrest"), HEAD_GOOD);
    cr_expect_eq(check("GET / HTTP/1.0\r\n\r\n"), HEAD_GOOD);
    cr_expect_eq(head.minor, 0);
    cr_expect_eq(check("POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\n"), HEAD_GOOD);
    cr_expect_eq(head.length, 12);
    cr_expect(head.expect);
    cr_expect_eq(check("POST / HTTP/1.1\r\n" HOST "transfer-encoding: Chunked\r\n\r\n"), HEAD_GOOD);
    cr_expect(head.chunked);
}

Test(head_check, refuses_what_two_parsers_read_differently)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\n" HOST "\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: y\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "GE(T / HTTP/1.1\r\n" HOST "\r\n",
        "TRACE / HTTP/1.1\r\n" HOST "\r\n",
        "CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n",
        "GET  / HTTP/1.1\r\n" HOST "\r\n",
        "GET /a b HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1 \r\n" HOST "\r\n",
        "GET / http/1.1\r\n" HOST "\r\n",
        "GET /\r\n\r\n",
        "\x16\x03\x01",
        " GET / HTTP/1.1\r\n" HOST "\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(check(cases[i]), HEAD_BAD, "%zu: %s", i, cases[i]);
        cr_expect_eq(head.status, 400, "%zu: %s", i, cases[i]);
        cr_expect_not_null(head.reason);
    }
}

/* paths.c would refuse it too, but by another word. */
Test(head_check, refuses_absolute_form)
{
    cr_expect_eq(check("GET http://x/ HTTP/1.1\r\n" HOST "\r\n"), HEAD_BAD);
    cr_expect_str_eq(head.reason, "the request target must be a path");
}

Test(head_check, names_other_faults_by_their_status)
{
    cr_expect_eq(check("GET / HTTP/1.2\r\n" HOST "\r\n"), HEAD_BAD);
    cr_expect_eq(head.status, 505);
    cr_expect_eq(check("GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n"), HEAD_BAD);
    cr_expect_eq(head.status, 417);
}

Test(head_check, waits_for_the_end_however_it_comes)
{
    static const char text[] = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
    size_t seen = 0;
    for (size_t size = 0; size < sizeof text - 2; size++) {
        cr_expect_eq(head_check(text, size, seen, &head), HEAD_PARTIAL, "%zu", size);
        seen = size;
    }
    cr_expect_eq(head_check(text, sizeof text - 1, seen, &head), HEAD_GOOD);
    cr_expect_eq(head.length, 3);
}

static char *large(size_t headers, size_t value)
{
    char *text = calloc(1, 64 + headers * (value + 16));
    strcpy(text, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (size_t i = 0; i < headers; i++) {
        strcat(text, "a: ");
        memset(text + strlen(text), 'x', value);
        strcat(text, "\r\n");
    }
    return strcat(text, "\r\n");
}

Test(head_check, bounds_size_and_number)
{
    static const struct {
        size_t headers, value;
        enum head_state state;
    } cases[] = { { 99, 10, HEAD_GOOD }, { 100, 10, HEAD_BAD }, { 1, 32000, HEAD_GOOD }, { 1, 33000, HEAD_BAD } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = large(cases[i].headers, cases[i].value);
        cr_expect_eq(check(text), cases[i].state, "%zu", i);
        if (cases[i].state == HEAD_BAD)
            cr_expect_eq(head.status, 431);
        free(text);
    }
    /* One without end is not waited for. */
    char *endless = malloc(HEAD_MAX + 1);
    memset(endless, 'a', HEAD_MAX + 1);
    cr_expect_eq(head_check(endless, HEAD_MAX + 1, 0, &head), HEAD_BAD);
    cr_expect_eq(head.status, 431);
    free(endless);
}

/* Values are looked at eight characters at a time: each character at each place of two such pieces and a rest. */
Test(head_check, knows_what_a_value_may_hold)
{
    enum { SIZE = 19 };
    char text[SIZE];
    for (int c = 0; c < 256; c++) {
        bool good = c == '\t' || (c >= ' ' && c != 0x7f);
        for (size_t at = 0; at < SIZE; at++) {
            memset(text, at % 2 ? 'a' : 0xff, SIZE);
            text[at] = (char)c;
            cr_expect_eq(is_field_value(text, SIZE), good, "%d at %zu", c, at);
        }
    }
    cr_expect(is_field_value("", 0));
}
