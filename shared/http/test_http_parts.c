/* The parts that know no socket: heads, targets, routes, ranges, addresses, languages, ids. */
#include "http/forwarded.h"
#include "http/head.h"
#include "http/locale.h"
#include "http/range.h"
#include "http/route.h"
#include "http/target.h"
#include "http/request_id.h"

#include "base/buf.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ctx ctx;

static void finish(void)
{
    ctx_finish(&ctx);
}

TestSuite(head);
TestSuite(target, .fini = finish);
TestSuite(route, .fini = finish);
TestSuite(range);
TestSuite(forwarded, .fini = finish);
TestSuite(locale);
TestSuite(trace, .fini = finish);

static enum head_state scan(const char *text, struct head *head)
{
    return head_scan(text, strlen(text), head);
}

Test(head, tells_where_a_request_ends)
{
    struct head head;
    const char *text = "POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX-Request-Id:  id-1 \r\n\r\nbody";
    cr_assert_eq(scan(text, &head), HEAD_OK);
    cr_expect_eq(head.size, strlen(text) - 4);
    cr_expect_eq(head.length, 12);
    cr_expect_not(head.chunked);
    cr_expect_eq(head.target_size, strlen("/a?b=1"));
    cr_expect_eq(strncmp(head.target, "/a?b=1", head.target_size), 0);
    cr_expect_eq(head.request_id_size, 4u);
    cr_expect_eq(strncmp(head.request_id, "id-1", 4), 0);
}

Test(head, waits_for_every_byte)
{
    const char *text = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    struct head head;
    for (size_t size = 0; size < strlen(text); size++)
        cr_expect_eq(head_scan(text, size, &head), HEAD_PARTIAL, "after %zu bytes", size);
    cr_expect_eq(scan(text, &head), HEAD_OK);
}

Test(head, takes_what_is_unusual_and_right)
{
    static const char *const good[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhOsT:x\r\nEmpty:\r\nTab:\ta\tb\t\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n",
    };
    struct head head;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect_eq(scan(good[i], &head), HEAD_OK, "%s: %s", good[i], head.reason);
}

Test(head, refuses_what_two_parsers_read_in_two_ways)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET /\r\nHost: x\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    struct head head;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(scan(bad[i], &head), HEAD_BAD, "taken: %s", bad[i]);
        cr_expect_not_null(head.reason);
    }
}

Test(head, is_bounded_in_bytes_and_in_lines)
{
    struct arena arena = { 0 };
    struct head head;
    struct buf long_line = BUF(&arena), many = BUF(&arena);
    buf_text(&long_line, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    while (long_line.size < HEAD_SIZE_MAX)
        buf_char(&long_line, 'a');
    cr_expect_eq(head_scan(long_line.data, long_line.size, &head), HEAD_TOO_LARGE);
    cr_expect_eq(head_scan(long_line.data, HEAD_SIZE_MAX - 1, &head), HEAD_PARTIAL);
    buf_text(&many, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < HEAD_HEADERS_MAX - 1; i++)
        buf_text(&many, "A: b\r\n");
    size_t full = many.size;
    buf_text(&many, "\r\n");
    cr_expect_eq(head_scan(many.data, many.size, &head), HEAD_OK);
    many.size = full;
    buf_text(&many, "A: b\r\nA: b\r\n\r\n");
    cr_expect_eq(head_scan(many.data, many.size, &head), HEAD_TOO_LARGE);
    arena_free(&arena);
}

Test(target, is_decoded_once)
{
    const char *path = NULL, *text = "/a%20b/%2525?q=J%C3%BCrgen+M&empty=&flag&&q=2";
    const struct pair *query = NULL;
    cr_assert(target_parse(&ctx, text, strlen(text), &path, &query));
    cr_expect_str_eq(path, "/a b/%25");
    static const struct pair expected[] = { { "q", "J\xc3\xbcrgen M" }, { "empty", "" }, { "flag", "" }, { "q", "2" } };
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(query[i].name, expected[i].name);
        cr_expect_str_eq(query[i].value, expected[i].value);
    }
    cr_expect_null(query[4].name);
}

Test(target, refuses_what_is_not_well_formed)
{
    static const char *const bad[] = { "/%",    "/%4",     "/%zz",    "/%00",    "/%ff",    "/%c0%af", "/%ed%a0%80",
                                       "/?a=%", "/?a=%0g", "/?a=%00", "/?%00=a", "/?a=%ff", "/?a=\xff" };
    const char *path;
    const struct pair *query;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_not(target_parse(&ctx, bad[i], strlen(bad[i]), &path, &query), "taken: %s", bad[i]);
        cr_expect(ctx_forgive(&ctx, ERROR_INVALID));
    }
}

Test(target, has_a_bound)
{
    struct buf text = BUF(&ctx.arena);
    const char *path;
    const struct pair *query;
    buf_text(&text, "/?");
    for (int i = 0; i < QUERY_MAX; i++)
        buf_text(&text, i ? "&a=1" : "a=1");
    cr_expect(target_parse(&ctx, text.data, text.size, &path, &query));
    buf_text(&text, "&a=1");
    cr_expect_not(target_parse(&ctx, text.data, text.size, &path, &query));
    cr_expect_eq(ctx.error->code, ERROR_INVALID);
}

static const struct route routes[] = {
    { GET, "/tracks/{id}" },    { GET, "/tracks/latest" },
    { DELETE, "/tracks/{id}" }, { GET, "/tracks/{id}/parts/{part}" },
    { HEAD, "/files/{id}" },    { GET, "/files/{id}" },
    { POST, "/tracks" },        { 0 },
};

static const struct route *match(enum method method, const char *path, const struct pair **params, unsigned *allowed)
{
    return route_match(routes, method, path, &ctx.arena, params, allowed);
}

Test(route, prefers_words_to_parameters)
{
    const struct pair *params;
    unsigned allowed;
    cr_expect_eq(match(GET, "/tracks/latest", &params, &allowed), &routes[1]);
    cr_expect_null(params[0].name);
    cr_expect_eq(match(DELETE, "/tracks/latest", &params, &allowed), &routes[2]);
    cr_expect_str_eq(params[0].value, "latest");
    cr_expect_eq(match(GET, "/tracks/1/parts/2 3", &params, &allowed), &routes[3]);
    cr_expect_str_eq(params[0].name, "id");
    cr_expect_str_eq(params[0].value, "1");
    cr_expect_str_eq(params[1].name, "part");
    cr_expect_str_eq(params[1].value, "2 3");
    cr_expect_null(params[2].name);
}

Test(route, answers_head_by_get_unless_it_has_its_own)
{
    const struct pair *params;
    unsigned allowed;
    cr_expect_eq(match(HEAD, "/tracks/latest", &params, &allowed), &routes[1]);
    cr_expect_eq(match(HEAD, "/files/1", &params, &allowed), &routes[4]);
    cr_expect_eq(match(GET, "/files/1", &params, &allowed), &routes[5]);
}

Test(route, tells_which_methods_a_path_knows)
{
    const struct pair *params;
    unsigned allowed;
    cr_expect_null(match(PUT, "/tracks/1", &params, &allowed));
    cr_expect_eq(allowed, 1u << GET | 1u << HEAD | 1u << DELETE);
    cr_expect_null(match(GET, "/tracks", &params, &allowed));
    cr_expect_eq(allowed, 1u << POST);
    static const char *const unknown[] = {
        "/", "/track", "/tracks/", "/tracks//parts/1", "/tracks/1/", "/tracks/1/parts", "/tracks/1/parts/2/3", ""
    };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        cr_expect_null(match(GET, unknown[i], &params, &allowed), "%s", unknown[i]);
        cr_expect_eq(allowed, 0u, "%s", unknown[i]);
    }
}

Test(range, follows_the_rfc)
{
    static const struct {
        const char *header;
        int64_t size;
        enum range_kind kind;
        int64_t from, count;
    } cases[] = {
        { NULL, 100, RANGE_NONE, 0, 0 },
        { "bytes=0-0", 100, RANGE_PART, 0, 1 },
        { "bytes=10-19", 100, RANGE_PART, 10, 10 },
        { "bytes=90-", 100, RANGE_PART, 90, 10 },
        { "bytes=90-1000", 100, RANGE_PART, 90, 10 },
        { "BYTES=0-99999999999999999999999", 100, RANGE_PART, 0, 100 },
        { "bytes=-10", 100, RANGE_PART, 90, 10 },
        { "bytes=-1000", 100, RANGE_PART, 0, 100 },
        { "bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=99999999999999999999999-", 100, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=-0", 100, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=5-2", 100, RANGE_NONE, 0, 0 },
        { "bytes=0-1,5-6", 100, RANGE_NONE, 0, 0 },
        { "bytes=a-", 100, RANGE_NONE, 0, 0 },
        { "bytes=-", 100, RANGE_NONE, 0, 0 },
        { "bytes=1", 100, RANGE_NONE, 0, 0 },
        { "bytes=", 100, RANGE_NONE, 0, 0 },
        { "bytes=0-1x", 100, RANGE_NONE, 0, 0 },
        { "lines=0-1", 100, RANGE_NONE, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct range range = { 0 };
        cr_expect_eq(range_parse(cases[i].header, cases[i].size, &range), cases[i].kind, "%s", cases[i].header);
        cr_expect_eq(range.from, cases[i].from, "%s", cases[i].header);
        cr_expect_eq(range.size, cases[i].count, "%s", cases[i].header);
    }
}

Test(range, compares_tags)
{
    cr_expect(none_match("\"a\"", "\"a\""));
    cr_expect(none_match("\"b\" , W/\"a\"", "\"a\""));
    cr_expect(none_match("*", "\"a\""));
    cr_expect(none_match("\"a,b\"", "\"a,b\""));
    cr_expect_not(none_match("\"b\"", "\"a\""));
    cr_expect_not(none_match("a", "\"a\""));
    cr_expect_not(none_match("\"a", "\"a\""));
    cr_expect_not(none_match("", "\"a\""));
    cr_expect_not(none_match(NULL, "\"a\""));
    cr_expect(if_range(NULL, "\"a\""));
    cr_expect(if_range("\"a\"", "\"a\""));
    cr_expect_not(if_range("W/\"a\"", "\"a\""));
    cr_expect_not(if_range("\"b\"", "\"a\""));
    cr_expect_not(if_range("Sat, 01 Jan 2028 00:00:00 GMT", "\"a\""));
}

static const char *last(const char *header)
{
    static char text[ADDRESS_TEXT];
    struct address address;
    if (!forwarded_last(header, &address))
        return "none";
    address_write(&address, text);
    return text;
}

Test(forwarded, is_the_last_address)
{
    cr_expect_str_eq(last("1.2.3.4"), "1.2.3.4");
    cr_expect_str_eq(last("9.9.9.9, 1.2.3.4"), "1.2.3.4");
    cr_expect_str_eq(last("9.9.9.9,1.2.3.4 "), "1.2.3.4");
    cr_expect_str_eq(last("1.2.3.4:567"), "1.2.3.4");
    cr_expect_str_eq(last("x, 2001:DB8::1"), "2001:db8::1");
    cr_expect_str_eq(last("[2001:db8::1]:80"), "2001:db8::1");
    cr_expect_str_eq(last("::ffff:1.2.3.4"), "1.2.3.4");
    static const char *const none[] = { "", "x", "1.2.3", "1.2.3.4,", "1.2.3.4, unknown", "[::1", "[::1]x" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_str_eq(last(none[i]), "none", "%s", none[i]);
    cr_expect_str_eq(last(NULL), "none");
}

static bool have(const struct networks *networks, const char *text)
{
    struct address address;
    cr_assert(address_parse(text, strlen(text), &address));
    return networks_have(networks, &address);
}

Test(forwarded, believes_the_networks_it_is_told)
{
    struct networks *networks = networks_parse(&ctx, "127.0.0.0/8, 10.1.2.128/25,::1/128,2001:db8::/33 192.168.1.1");
    cr_assert_not_null(networks);
    static const char *const in[] = { "127.0.0.1", "127.255.0.1", "10.1.2.128",  "10.1.2.255",
                                      "::1",       "2001:db8::1", "192.168.1.1", "::ffff:127.0.0.1" };
    static const char *const out[] = { "128.0.0.1",        "10.1.2.127",  "10.1.3.128", "::2",
                                       "2001:db8:8000::1", "192.168.1.2", "::",         "::127.0.0.1" };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        cr_expect(have(networks, in[i]), "%s", in[i]);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        cr_expect_not(have(networks, out[i]), "%s", out[i]);
    cr_expect_not(have(networks_parse(&ctx, ""), "127.0.0.1"));
    cr_expect_not(have(networks_parse(&ctx, NULL), "127.0.0.1"));
    cr_expect(have(networks_parse(&ctx, "0.0.0.0/0"), "8.8.8.8"));
    static const char *const bad[] = { "x",       "127.0.0.0/33", "127.0.0.0/",  "127.0.0/8",
                                       "::1/129", "10.0.0.0/8,y", "127.0.0.0/-1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_null(networks_parse(&ctx, bad[i]), "taken: %s", bad[i]);
        cr_expect(ctx_forgive(&ctx, ERROR_INVALID));
    }
}

Test(locale, is_what_was_asked_for_if_we_speak_it)
{
    static const struct {
        const char *asked, *accept, *locale;
    } cases[] = {
        { NULL, NULL, "en" },
        { "de", "fr", "de" },
        { "DE-at", NULL, "de" },
        { "xx", "fr", "fr" },
        { NULL, "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr" },
        { NULL, "xx, ja;q=0.3, hi;q=0.7", "hi" },
        { NULL, "zh_TW", "zh" },
        { NULL, "de;q=0, es", "es" },
        { NULL, "den", "en" },
        { "zh-Hant-TW", "de", "zh" },
        { NULL, "zh-CN", "zh" },
        { NULL, "en;q=0.1, de;q=0.9", "de" },
        { NULL, "fr;q=0.5, de;q=0.5", "fr" },
        { NULL, "fr ; q=0.8 , de ;Q=0.9", "de" },
        { NULL, "fr;q=0.001, de;q=0.000", "fr" },
        { NULL, "ja;q=1.000, de", "ja" },
        { NULL, "ja;q=1.001, de;q=0.1", "de" },
        { NULL, "ja;q=nan, hi;q=inf, es;q=-1, fr;q=1e9, de;q=0.2", "de" },
        { NULL, "ja;q=0.1234, de;q=0.1", "de" },
        { NULL, "ja;q=2, de;q=0.1", "de" },
        { NULL, "ja;q, fr;level=1, de;q=0.1", "de" },
        { NULL, "*", "en" },
        { NULL, "*, es;q=0.2", "es" },
        { NULL, "x, , ,;q=1, HI-latn", "hi" },
        { "e", NULL, "en" },
        { "xx-de", "pt-BR, ja", "ja" },
        { NULL, ";;;,,q=,", "en" },
        { "", "", "en" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(locale_choose(cases[i].asked, cases[i].accept), cases[i].locale, "case %zu", i);
}

Test(trace, keeps_what_is_well_formed)
{
    cr_expect(request_id_valid("a.B_9-z"));
    static const char *const bad[] = {
        "", "a b", "a\n", "a/b", "\xc3\xa9", "12345678901234567890123456789012345678901234567890123456789012345"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(request_id_valid(bad[i]), "%s", bad[i]);
    cr_expect_not(request_id_valid(NULL));
    cr_expect(traceparent_valid("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    cr_expect(traceparent_valid("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings"));
    static const char *const untraced[] = {
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "",
    };
    for (size_t i = 0; i < sizeof untraced / sizeof *untraced; i++)
        cr_expect_not(traceparent_valid(untraced[i]), "%s", untraced[i]);
}

Test(trace, makes_what_is_missing)
{
    struct ids ids;
    ids_start(&ids);
    const char *one = trace_request_id(&ids, &ctx.arena, NULL), *two = trace_request_id(&ids, &ctx.arena, "not valid");
    cr_expect(request_id_valid(one));
    cr_expect_str_neq(one, two);
    cr_expect(traceparent_valid(trace_parent(&ids, &ctx.arena, NULL)));
    cr_expect(traceparent_valid(trace_parent(&ids, &ctx.arena, "00-x")));
    cr_expect_str_eq(trace_request_id(&ids, &ctx.arena, "kept"), "kept");
}
