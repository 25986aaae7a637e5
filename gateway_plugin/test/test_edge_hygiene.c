/*
 * What h2o 2.2.5 lets pass and the edge does not, in HTTP/1.1: a test for each fault, alone and behind a good request
 * in the same packet, which h2o parses before anybody can look. The same in HTTP/2: test_edge_hygiene_h2.c; floods:
 * test_edge_hygiene_floods.c; sizes: test_edge_hygiene_bounds.c; time: test_edge_hygiene_slow.c; TLS:
 * test_edge_hygiene_tls.c; answers of members: test_edge_hygiene_replies.c.
 *
 * Only HTTP/1.1 can say: bare LF and folding between lines, a head of HTTP/1.0, Transfer-Encoding and its chunks, an
 * upgrade to h2c, headers named in Connection. HTTP/2 frames all of these, and refuses Transfer-Encoding and Connection
 * as headers. Only HTTP/2 can flood with frames, or carry what no line holds.
 */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    one_start(NULL, one_config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_hygiene, .timeout = 60);

/* One that is taken leaves the connection open: that is not waited for. */
static char *say_and_hear(const char *text)
{
    int fd = dial(edge.port);
    say(fd, text);
    char *answer = hear_all(fd, 3000, NULL);
    close(fd);
    return answer;
}

static void refuses_alone(const char *head)
{
    char *answer = say_and_hear(head);
    cr_assert_eq(status_of(answer), 400, "%s: %s", head, answer);
    cr_expect(has(answer, "\"code\":\"10001\",\"status\":400") && has(answer, "connection: close"), "%s: %s", head,
              answer);
    free(answer);
}

static void refuses_behind_another(const char *head)
{
    char text[1024];
    snprintf(text, sizeof text, "GET /one/good HTTP/1.1\r\nHost: a\r\n\r\n%s", head);
    char *answer = say_and_hear(text);
    cr_assert(has(answer, "HTTP/1.1 200") && has(answer, "HTTP/1.1 400"), "%s: %s", head, answer);
    free(answer);
}

static void refuses(const char *const *heads)
{
    long count = 0;
    for (; *heads; heads++, count++) {
        refuses_alone(*heads);
        refuses_behind_another(*heads);
    }
    char head[4096];
    backend_last_head(one, head, sizeof head);
    cr_expect_not(has(head, "evil"), "%s", head);
    cr_expect_eq(backend_requests(one), count);
}

#define REFUSES(name, ...)                                                                                             \
    EDGE_TEST(edge_hygiene, name)                                                                                      \
    {                                                                                                                  \
        static const char *const heads[] = { __VA_ARGS__, NULL };                                                      \
        refuses(heads);                                                                                                \
    }

#define GET "GET /one/evil HTTP/1.1\r\n"
#define POST "POST /one/evil HTTP/1.1\r\nHost: a\r\n"
#define TARGET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSES(refuses_no_host, GET "\r\n", GET "X: y\r\n\r\n")

REFUSES(refuses_two_hosts, GET "Host: a\r\nHost: b\r\n\r\n", GET "Host: a\r\nX: y\r\nhost: a\r\n\r\n")

REFUSES(refuses_malformed_hosts, GET "Host: \r\n\r\n", GET "Host: a b\r\n\r\n", GET "Host: a/b\r\n\r\n",
        GET "Host: a,b\r\n\r\n", GET "Host: a?\r\n\r\n", GET "Host: [::1\r\n\r\n", GET "Host: [a]\r\n\r\n",
        GET "Host: ::1\r\n\r\n", GET "Host: :80\r\n\r\n")

REFUSES(refuses_user_info_in_host, GET "Host: user@a\r\n\r\n", GET "Host: user:secret@a:80\r\n\r\n")

REFUSES(refuses_ports_that_are_none, GET "Host: a:0\r\n\r\n", GET "Host: a:00\r\n\r\n", GET "Host: a:65536\r\n\r\n",
        GET "Host: a:80:80\r\n\r\n", GET "Host: a:-1\r\n\r\n", GET "Host: a:http\r\n\r\n", GET "Host: [::1]80\r\n\r\n",
        GET "Host: a:4294967376\r\n\r\n")

REFUSES(refuses_content_length_with_transfer_encoding,
        POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n")

REFUSES(refuses_content_length_twice, POST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
        POST "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", POST "Content-Length: 0, 0\r\n\r\n")

REFUSES(refuses_content_lengths_that_are_no_numbers, POST "Content-Length: -1\r\n\r\n",
        POST "Content-Length: +1\r\n\r\nx", POST "Content-Length: 0x1\r\n\r\nx", POST "Content-Length: 1e0\r\n\r\nx",
        POST "Content-Length: \r\n\r\n", POST "Content-Length: 18446744073709551616\r\n\r\n",
        POST "Content-Length: 99999999999999999999999\r\n\r\n")

REFUSES(refuses_transfer_encoding_twice,
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

REFUSES(refuses_transfer_codings_other_than_chunked, POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: \x0b"
             "chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", POST "Transfer-Encoding:\r\n\r\n")

REFUSES(refuses_transfer_encoding_in_http_1_0,
        "POST /one/evil HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

REFUSES(refuses_bare_lf, "GET /one/evil HTTP/1.1\nHost: a\n\n", "GET /one/evil HTTP/1.1\nHost: a\r\n\r\n",
        GET "Host: a\n\r\n", GET "Host: a\r\n\n", GET "Host: a\r\nX: y\nZ: z\r\n\r\n")

REFUSES(refuses_bare_cr, GET "Host: a\r\nX: a\rb\r\n\r\n", GET "Host: a\r\nX: a\r\r\n\r\n")

REFUSES(refuses_folded_lines, GET "Host: a\r\nX: y\r\n folded\r\n\r\n", GET "Host: a\r\nX: y\r\n\tfolded\r\n\r\n",
        GET " Host: a\r\n\r\n")

REFUSES(refuses_absolute_form, TARGET("http://a/one/evil"), TARGET("HTTP://b/one/evil"), TARGET("https:///one/evil"))

REFUSES(refuses_targets_that_are_no_paths, TARGET("*"), TARGET("one/evil"), TARGET("a:80"), TARGET("?evil"))

REFUSES(refuses_request_lines_with_more_or_less, "GET  /one/evil HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /one/evil  HTTP/1.1\r\nHost: a\r\n\r\n", "GET /one/evil HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /one/evil x HTTP/1.1\r\nHost: a\r\n\r\n", "GET\t/one/evil\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /one/evil http/1.1\r\nHost: a\r\n\r\n", "GET /one/evil\r\nHost: a\r\n\r\n")

REFUSES(refuses_methods_that_are_no_tokens, "GE(T /one/evil HTTP/1.1\r\nHost: a\r\n\r\n",
        "G:T /one/evil HTTP/1.1\r\nHost: a\r\n\r\n", "G\"T /one/evil HTTP/1.1\r\nHost: a\r\n\r\n",
        "GETGETGETGETGETGETGETGETGETGETGETGET /one/evil HTTP/1.1\r\nHost: a\r\n\r\n")

REFUSES(refuses_trace, "TRACE /one/evil HTTP/1.1\r\nHost: a\r\n\r\n", "trace /one/evil HTTP/1.1\r\nHost: a\r\n\r\n")

REFUSES(refuses_connect, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT /one/evil HTTP/1.1\r\nHost: a\r\n\r\n")

REFUSES(refuses_names_that_are_no_tokens, GET "Host: a\r\nX : y\r\n\r\n", GET "Host: a\r\n: y\r\n\r\n",
        GET "Host: a\r\nX\r\n\r\n", GET "Host: a\r\nX(: y\r\n\r\n", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST "Content-Length\t: 0\r\n\r\n")

REFUSES(refuses_control_characters_in_values, GET "Host: a\r\nX: \x01\r\n\r\n", GET "Host: a\r\nX: \x7f\r\n\r\n",
        GET "Host: a\r\nX: a\x1b[0m\r\n\r\n")

REFUSES(refuses_escaped_slashes, TARGET("/one/a%2fevil"), TARGET("/one%2Fevil"), TARGET("/one/a%5cevil"),
        TARGET("/one/a\\evil"))

REFUSES(refuses_escaped_dots, TARGET("/one/%2e%2e/evil"), TARGET("/one/.%2E/evil"), TARGET("/one/%2e/evil"),
        TARGET("/one/..%2fevil"))

REFUSES(refuses_escaped_line_ends_in_paths, TARGET("/one/evil%0d%0aX:%20y"), TARGET("/one/evil%0a"),
        TARGET("/one/evil%00"), TARGET("/one/evil%7f"))

REFUSES(refuses_escapes_without_an_end, TARGET("/one/evil%"), TARGET("/one/evil%4"), TARGET("/one/evil%zz"),
        TARGET("/one/evil#x"))

/* Chunks are seen where they come with their head or after it; those behind another request: below. */

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void refuses_chunks(const char *const *bodies)
{
    for (; *bodies; bodies++) {
        char text[1024];
        snprintf(text, sizeof text, CHUNKED "%s", *bodies);
        refuses_alone(text);
    }
    cr_expect_eq(backend_requests(one), 0);
}

#define REFUSES_CHUNKS(name, ...)                                                                                      \
    EDGE_TEST(edge_hygiene, name)                                                                                      \
    {                                                                                                                  \
        static const char *const bodies[] = { __VA_ARGS__, NULL };                                                     \
        refuses_chunks(bodies);                                                                                        \
    }

REFUSES_CHUNKS(refuses_chunk_sizes_that_are_no_numbers, "0x3\r\nabc\r\n0\r\n\r\n", "-1\r\n\r\n",
               "+3\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "\r\n\r\n", "g\r\n\r\n")

REFUSES_CHUNKS(refuses_chunk_sizes_beyond_all_bounds, "10000000000000003\r\nabc\r\n0\r\n\r\n",
               "ffffffffffffffff\r\nabc\r\n", "0000000000000\r\n\r\n")

REFUSES_CHUNKS(refuses_bare_lf_in_chunks, "3\nabc\n0\n\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabc\r\n0\n\r\n",
               "3;a\nabc\r\n0\r\n\r\n", "0\r\nX: y\n\r\n")

REFUSES_CHUNKS(refuses_chunks_that_end_elsewhere, "3\r\nabcd\r\n0\r\n\r\n", "3\r\nab\r\n0\r\n\r\n")

REFUSES_CHUNKS(refuses_control_characters_in_chunk_extensions, "3;\x01\r\nabc\r\n0\r\n\r\n",
               "3;a\rb\r\nabc\r\n0\r\n\r\n")

/* What follows chunks in the connection is another request, whatever stands in extensions and trailers. */
EDGE_TEST(edge_hygiene, forwards_neither_chunk_extensions_nor_trailers)
{
    char *answer = ask(edge.port, CHUNKED "3;x=\"GET /one/smuggled HTTP/1.1\"\r\nabc\r\n0;y\r\nX-Trailer: 1\r\n"
                                          "Content-Length: 50\r\nHost: b\r\n\r\n"
                                          "GET /one/next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    cr_expect(has(answer, "body: 3\nPOST /evil HTTP/1.1\r\n") && has(answer, "GET /next HTTP/1.1\r\n"), "%s", answer);
    cr_expect(has(answer, "content-length: 3\r\n"), "%s", answer);
    cr_expect_not(has(answer, "x-trailer") || has(answer, "smuggled") || has(answer, "transfer-encoding"), "%s",
                  answer);
    free(answer);
    cr_expect_eq(backend_requests(one), 2);
}

/* Chunks that came with the request before were decoded unseen: nothing is read after them. */
EDGE_TEST(edge_hygiene, reads_nothing_after_chunks_that_nobody_looked_at)
{
    char *answer = ask(edge.port, "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n" CHUNKED "0x3\r\n\r\n"
                                  "GET /one/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_not(has(answer, "smuggled"), "%s", answer);
    free(answer);
}

/* The same where only their beginning came with the request before. */
EDGE_TEST(edge_hygiene, reads_nothing_after_chunks_of_which_a_part_was_decoded)
{
    int fd = dial(edge.port);
    say(fd, "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n" CHUNKED "5\r\nhello\r\n");
    free(hear_one(fd));
    usleep(50000);
    say(fd, "6\r\n world\r\n0\r\n\r\nGET /one/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    char *answer = hear_all(fd, 10000, NULL);
    cr_expect(has(answer, "body: 11\n") && has(answer, "connection: close"), "%s", answer);
    cr_expect_not(has(answer, "smuggled"), "%s", answer);
    free(answer);
    close(fd);
    fd = dial(edge.port);
    /* Decoded, the first chunk is itself a chunk. */
    say(fd, "GET /one/ HTTP/1.1\r\nHost: a\r\n\r\n" CHUNKED "8\r\n3\r\nabc\r\n\r\n");
    free(hear_one(fd));
    usleep(50000);
    say(fd, "0x3\r\n\r\nGET /one/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    answer = hear_all(fd, 10000, NULL);
    cr_expect_not(has(answer, "smuggled"), "%s", answer);
    free(answer);
    close(fd);
}

/* What passes is changed on its way */

static char *forwarded(const char *headers)
{
    char *answer = get(edge.port, "/one/", headers), *body = strdup(body_of(answer));
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    return body;
}

static void keeps(const char *headers, const char *const *names)
{
    char *body = forwarded(headers);
    for (; *names; names++)
        cr_expect_not(has(body, *names), "%s in %s", *names, body);
    cr_expect(has(body, "\r\nx-passes: yes\r\n"), "%s", body);
    free(body);
}

EDGE_TEST(edge_hygiene, keeps_headers_named_in_connection_to_itself)
{
    static const char *const gone[] = { "x-named", "x-other", "\r\nconnection:", "\r\ncookie:", "9.9.9.9", NULL };
    keeps("Connection: X-Named, close\r\nConnection: x-other ,cookie,X-Forwarded-For\r\nX-Named: 1\r\nX-Other: 2\r\n"
          "Cookie: a=1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Passes: yes\r\n",
          gone);
}

EDGE_TEST(edge_hygiene, keeps_headers_with_long_names_that_connection_names_to_itself)
{
    char headers[1024], name[200];
    static const char *const gone[] = { "xxxxx", NULL };
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    snprintf(headers, sizeof headers, "Connection: %s\r\n%s: 1\r\nX-Passes: yes\r\n", name, name);
    keeps(headers, gone);
}

EDGE_TEST(edge_hygiene, keeps_proxy_connection_to_itself)
{
    static const char *const gone[] = { "proxy-", "keep-alive", NULL };
    keeps("Proxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nX-Passes: yes\r\n", gone);
}

/* Connection cannot take away what the edge says itself. */
EDGE_TEST(edge_hygiene, says_its_own_whatever_connection_names)
{
    char *body = forwarded("Connection: Host, X-Forwarded-For, Content-Length, X-Request-Id, Via\r\n");
    cr_expect(has(body, "\r\nhost: ") && has(body, "\r\nx-forwarded-for: 127.0.0.1\r\n") && has(body, "\r\nvia: ") &&
                  has(body, "\r\nx-request-id: "),
              "%s", body);
    free(body);
}

EDGE_TEST(edge_hygiene, never_upgrades_to_h2c)
{
    char *answer = say_and_hear(
        "GET /one/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect_not(has(body_of(answer), "h2c") || has(body_of(answer), "http2-settings"));
    free(answer);
}

EDGE_TEST(edge_hygiene, matches_and_forwards_the_same_path)
{
    static const struct {
        const char *path, *line;
    } cases[] = {
        { "/x/../one/a", "GET /a HTTP" },        { "/one/b/../c", "GET /c HTTP" }, { "//one//d", "GET /d HTTP" },
        { "/%6f%6E%65/e", "GET /e HTTP" },       { "/one/./f", "GET /f HTTP" },    { "/../../one/g", "GET /g HTTP" },
        { "/one/%252e%252e/h", "%252e%252e/h" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = get(edge.port, cases[i].path, "");
        cr_expect(has(answer, cases[i].line), "%s: %s", cases[i].path, answer);
        free(answer);
    }
    char *answer = get(edge.port, "/one/../nothing", "");
    cr_expect_eq(status_of(answer), 404);
    free(answer);
}
