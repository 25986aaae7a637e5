/*
 * What h2o 2.2.5 lets pass and the edge does not, in HTTP/2: a test for each fault. What only HTTP/1.1 can say is named
 * in test_edge_hygiene.c, where the other files are too.
 */
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "EDGE_THREADS=1", NULL };
    one_start(environment, one_config);
}

TestSuite(edge_hygiene_h2, .timeout = 30);

enum { FIELDS = 12 };

/* Refused by an answer, by a reset, or by the end of the connection; the member hears nothing. */
static void refuses(const struct h2_field (*requests)[FIELDS], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char body[4096] = "";
        int fd = h2_dial(edge.port);
        h2_request(fd, 1, H2_END_STREAM, requests[i]);
        int status = h2_answer(fd, 1, body, sizeof body);
        cr_assert(status == 400 || status <= 0, "%zu: %d %s", i, status, body);
        close(fd);
    }
    cr_expect_eq(backend_requests(one), 0);
}

#define REFUSES(name, ...)                                                                                             \
    EDGE_TEST(edge_hygiene_h2, name)                                                                                   \
    {                                                                                                                  \
        static const struct h2_field requests[][FIELDS] = { __VA_ARGS__ };                                             \
        refuses(requests, sizeof requests / sizeof *requests);                                                         \
    }

#define METHOD(value)                                                                                                  \
    {                                                                                                                  \
        ":method", value                                                                                               \
    }
#define SCHEME                                                                                                         \
    {                                                                                                                  \
        ":scheme", "http"                                                                                              \
    }
#define PATH(value)                                                                                                    \
    {                                                                                                                  \
        ":path", value                                                                                                 \
    }
#define HOST(value)                                                                                                    \
    {                                                                                                                  \
        ":authority", value                                                                                            \
    }
#define WITH(...)                                                                                                      \
    {                                                                                                                  \
        METHOD("GET"), SCHEME, PATH("/one/evil"), HOST("a"), __VA_ARGS__                                               \
    }
#define AT(path)                                                                                                       \
    {                                                                                                                  \
        METHOD("GET"), SCHEME, PATH(path), HOST("a")                                                                   \
    }
#define BY(method)                                                                                                     \
    {                                                                                                                  \
        METHOD(method), SCHEME, PATH("/one/evil"), HOST("a")                                                           \
    }
#define TO(host)                                                                                                       \
    {                                                                                                                  \
        METHOD("GET"), SCHEME, PATH("/one/evil"), HOST(host)                                                           \
    }

REFUSES(refuses_no_host, { METHOD("GET"), SCHEME, PATH("/one/evil") },
        { METHOD("GET"), SCHEME, PATH("/one/evil"), { "host", "a" } })

REFUSES(refuses_two_hosts, WITH(HOST("b")), WITH(HOST("a")))

REFUSES(refuses_malformed_hosts, TO(""), TO("a b"), TO("a/b"), TO("a,b"), TO("a?"), TO("[::1"), TO("[a]"), TO("::1"),
        TO(":80"), TO("a\r\nX: y"))

REFUSES(refuses_user_info_in_host, TO("user@a"), TO("user:secret@a:80"))

REFUSES(refuses_ports_that_are_none, TO("a:0"), TO("a:65536"), TO("a:80:80"), TO("a:-1"), TO("a:http"))

REFUSES(refuses_transfer_encoding, WITH({ "transfer-encoding", "chunked" }),
        WITH({ "content-length", "0" }, { "transfer-encoding", "chunked" }))

REFUSES(refuses_content_lengths_that_are_no_numbers, WITH({ "content-length", "-1" }),
        WITH({ "content-length", "0x1" }), WITH({ "content-length", "99999999999999999999999" }),
        WITH({ "content-length", "" }))

REFUSES(refuses_connection_headers, WITH({ "connection", "close" }),
        WITH({ "connection", "x-named" }, { "x-named", "1" }))

REFUSES(refuses_upgrades, WITH({ "upgrade", "h2c" }), WITH({ "te", "gzip" }))

REFUSES(refuses_line_ends_in_values, WITH({ "x", "a\r\nx-smuggled: 1" }), WITH({ "x", "a\nb" }), WITH({ "x", "a\rb" }),
        WITH({ "x", "a\r\n folded" }))

REFUSES(refuses_control_characters_in_values, WITH({ "x", "\x01" }), WITH({ "x", "a\x7f" }), WITH({ "x", "\x1b[0m" }))

REFUSES(refuses_line_ends_in_paths, AT("/one/evil\r\nX: y"), AT("/one/evil\n"),
        AT("/one/evil HTTP/1.1\r\nHost: b\r\n\r\n"))

REFUSES(refuses_spaces_in_paths, AT("/one/evil HTTP/1.1"), AT("/one/evil\tx"), AT(" /one/evil"))

REFUSES(refuses_absolute_form, AT("http://a/one/evil"), AT("https:///one/evil"))

REFUSES(refuses_targets_that_are_no_paths, AT(""), AT("*"), AT("one/evil"), AT("?evil"), AT("/one/evil#x"))

REFUSES(refuses_methods_that_are_no_tokens, BY("GE(T"), BY("GET /one/evil HTTP/1.1"), BY("GET\r\nX: y"), BY(""),
        BY("GETGETGETGETGETGETGETGETGETGETGETGET"))

REFUSES(refuses_trace, BY("TRACE"), BY("trace"))

REFUSES(refuses_connect, BY("CONNECT"), { METHOD("CONNECT"), HOST("a:80") })

REFUSES(refuses_names_that_are_no_tokens, WITH({ "", "empty" }), WITH({ "x y", "z" }), WITH({ "x:y", "z" }),
        WITH({ "x\r\ny", "z" }), WITH({ "x(", "z" }), WITH({ "x\xc3\xa9", "z" }))

REFUSES(refuses_names_in_capitals, WITH({ "X-Custom", "z" }), WITH({ "Transfer-Encoding", "chunked" }))

REFUSES(refuses_escaped_slashes, AT("/one/a%2fevil"), AT("/one%2Fevil"), AT("/one/a%5cevil"), AT("/one/a\\evil"))

REFUSES(refuses_escaped_dots, AT("/one/%2e%2e/evil"), AT("/one/.%2E/evil"), AT("/one/..%2fevil"))

REFUSES(refuses_escaped_line_ends_in_paths, AT("/one/evil%0d%0aX:%20y"), AT("/one/evil%00"), AT("/one/evil%7f"))

REFUSES(refuses_pseudo_headers_that_are_none, WITH({ ":status", "200" }), WITH({ ":x", "y" }))

REFUSES(refuses_pseudo_headers_twice, WITH(PATH("/one/other")), WITH(METHOD("POST")), WITH(SCHEME))

REFUSES(refuses_pseudo_headers_behind_others, { METHOD("GET"), SCHEME, HOST("a"), { "x", "y" }, PATH("/one/evil") })

REFUSES(refuses_heads_without_method_scheme_or_path, { SCHEME, PATH("/one/evil"), HOST("a") },
        { METHOD("GET"), PATH("/one/evil"), HOST("a") }, { METHOD("GET"), SCHEME, HOST("a") })

/* Bodies */

static const struct h2_field post[] = { METHOD("POST"), SCHEME, PATH("/one/x"), HOST("a"), { 0 } };

/* Trailers as they are told; the status of the answer. */
static int send_trailers(const struct h2_field *trailers)
{
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, 0, post);
    h2_send(fd, H2_DATA, 0, 1, "hello", 5);
    h2_request(fd, 1, H2_END_STREAM, trailers);
    int status = h2_answer(fd, 1, NULL, 0);
    close(fd);
    return status;
}

EDGE_TEST(edge_hygiene_h2, refuses_pseudo_headers_in_trailers)
{
    static const struct h2_field trailers[][2] = {
        { METHOD("GET") }, { PATH("/one/evil") }, { HOST("b") }, { { ":x", "y" } }
    };
    for (size_t i = 0; i < sizeof trailers / sizeof *trailers; i++)
        cr_expect_leq(send_trailers(trailers[i]), 0, "%zu", i);
    cr_expect_eq(backend_requests(one), 0);
}

EDGE_TEST(edge_hygiene_h2, refuses_framing_in_trailers)
{
    static const struct h2_field trailers[][2] = { { { "transfer-encoding", "chunked" } }, { { "connection", "x" } } };
    for (size_t i = 0; i < sizeof trailers / sizeof *trailers; i++)
        cr_expect_leq(send_trailers(trailers[i]), 0, "%zu", i);
    cr_expect_eq(backend_requests(one), 0);
}

static int post_with(const struct h2_field *fields, const char *data, char *body, size_t room)
{
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, 0, fields);
    h2_send(fd, H2_DATA, H2_END_STREAM, 1, data, strlen(data));
    int status = h2_answer(fd, 1, body, room);
    close(fd);
    return status;
}

EDGE_TEST(edge_hygiene_h2, refuses_a_content_length_that_is_not_the_body_s)
{
    static const struct h2_field more[] = {
        METHOD("POST"), SCHEME, PATH("/one/x"), HOST("a"), { "content-length", "6" }, { 0 }
    };
    static const struct h2_field less[] = {
        METHOD("POST"), SCHEME, PATH("/one/x"), HOST("a"), { "content-length", "4" }, { 0 }
    };
    cr_expect_leq(post_with(more, "hello", NULL, 0), 0);
    cr_expect_leq(post_with(less, "hello", NULL, 0), 0);
    cr_expect_eq(backend_requests(one), 0);
}

/* What the frames say holds; a service is told it once. */
EDGE_TEST(edge_hygiene_h2, forwards_one_content_length_of_several)
{
    static const struct h2_field fields[] = {
        METHOD("POST"), SCHEME, PATH("/one/x"), HOST("a"), { "content-length", "50" }, { "content-length", "5" }, { 0 }
    };
    char body[8192] = "";
    cr_expect_eq(post_with(fields, "hello", body, sizeof body), 200);
    const char *first = strcasestr(body, "content-length: 5\r\n");
    cr_expect(first && !strcasestr(first + 1, "content-length"), "%s", body);
}

/* What passes is changed on its way */

EDGE_TEST(edge_hygiene_h2, keeps_proxy_connection_to_itself)
{
    static const struct h2_field fields[] = { METHOD("GET"),
                                              SCHEME,
                                              PATH("/one/x"),
                                              HOST("a"),
                                              { "proxy-connection", "keep-alive" },
                                              { "keep-alive", "5" },
                                              { "proxy-authorization", "x" },
                                              { "te", "trailers" },
                                              { "x-passes", "yes" },
                                              { 0 } };
    char body[8192] = "";
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, H2_END_STREAM, fields);
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect(has(body, "x-passes: yes"), "%s", body);
    cr_expect_not(has(body, "proxy-") || has(body, "keep-alive") || has(body, "\r\nte:"), "%s", body);
    close(fd);
}

EDGE_TEST(edge_hygiene_h2, believes_the_authority_and_no_host)
{
    static const struct h2_field fields[] = WITH({ "host", "evil" }, { 0 });
    char body[8192] = "";
    int fd = h2_dial(edge.port);
    h2_request(fd, 1, H2_END_STREAM, fields);
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    cr_expect(has(body, "x-forwarded-host: a\r\n"), "%s", body);
    cr_expect_not(has(body, ": evil"), "%s", body);
    close(fd);
}

/* Resets */

EDGE_TEST(edge_hygiene_h2, forwards_nothing_that_is_reset_in_the_same_breath)
{
    unsigned char out[16384], block[512];
    size_t size = h2_block(block, (const struct h2_field[]){ METHOD("GET"), SCHEME, PATH("/one/x"), HOST("a"), { 0 } }),
           at = 0;
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/one/x"); /* leaves a connection on which the next request would be sent at once */
    cr_expect_eq(h2_answer(fd, 1, NULL, 0), 200);
    for (uint32_t stream = 3; stream < 200; stream += 2) {
        h2_frame_head(out + at, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, size);
        memcpy(out + at + 9, block, size);
        at += 9 + size;
        h2_frame_head(out + at, H2_RST_STREAM, 0, stream, 4);
        memcpy(out + at + 9, "\0\0\0\x08", 4);
        at += 9 + 4;
    }
    say_bytes(fd, out, at);
    h2_get(fd, 201, "/nothing");
    cr_expect_eq(h2_answer(fd, 201, NULL, 0), 404);
    cr_expect_eq(backend_requests(one), 1);
    cr_expect_eq(backend_connections(one), 1);
    close(fd);
}

/* h2o, once it has said its last GOAWAY, reads a CONTINUATION over and over. */
EDGE_TEST(edge_hygiene_h2, stops_though_a_head_goes_on)
{
    int fd = h2_dial(edge.port);
    h2_get(fd, 1, "/one/stall?ms=2500");
    h2_send(fd, H2_HEADERS, H2_END_STREAM, 3, "\x82", 1);
    usleep(100000);
    edge_process_signal(&edge, 15);
    usleep(1500000);
    h2_send(fd, H2_CONTINUATION, H2_END_HEADERS, 3, "\x86", 1);
    free(hear_all(fd, 5000, NULL));
    close(fd);
}
