/*
 * Request smuggling, by the names under which it is reported. An attack has in it a second request, for whichever of
 * two parsers reads it otherwise: the first is refused, the second is heard by nobody, and those who ask over the
 * same connection to the member get the answers to their own questions. Rule by rule: test_edge_hygiene.c.
 */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(void)
{
    /* One loop: attacker and victim share its connections to the member. */
    static const char *const environment[] = { "EDGE_THREADS=1", NULL };
    one_start(environment, one_config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_smuggling, .timeout = 60);

struct attack {
    const char *bytes;
    size_t size; /* there may be NULs among them */
};
#define ATTACK(text)                                                                                                   \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }

#define SMUGGLED "GET /one/smuggled HTTP/1.1\r\nHost: a\r\nX: "
#define POST "POST /one/attack HTTP/1.1\r\nHost: a\r\n"
#define GET "GET /one/attack HTTP/1.1\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* As one piece, or cut in two there, which the edge is to have read apart. */
static void send_attack(int fd, const struct attack *attack, size_t cut)
{
    int at_once = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    say_bytes(fd, attack->bytes, cut);
    if (cut == attack->size)
        return;
    usleep(20000);
    say_bytes(fd, attack->bytes + cut, attack->size - cut);
}

/* The member keeps a connection that has carried a request: the next one is this victim's. */
static void expect_own_answer(const char *path)
{
    char text[128];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n", path);
    char whole[128];
    snprintf(whole, sizeof whole, "/one%s", path);
    char *answer = get(edge.port, whole, "");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect(has(answer, text) && !has(answer, "smuggled") && !has(answer, "attack"), "%s", answer);
    free(answer);
}

static void expect_refused(const struct attack *attack, size_t cut)
{
    size_t size;
    int fd = dial(edge.port);
    say(fd, "GET /one/before HTTP/1.1\r\nHost: a\r\n\r\n");
    char *answer = hear_one(fd);
    cr_assert_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    send_attack(fd, attack, cut);
    answer = hear_all(fd, 10000, &size);
    cr_assert_eq(status_of(answer), 400, "%s: %s", attack->bytes, answer);
    cr_expect(has(answer, "connection: close"), "%s", answer);
    cr_expect_not(has(answer + 1, "HTTP/1.1 "), "one answer, and no more on this connection: %s", answer);
    free(answer);
    close(fd);
}

static void smuggles_nothing(const struct attack *attacks, size_t count)
{
    long asked = 0;
    for (size_t i = 0; i < count; i++) {
        size_t cuts[] = { attacks[i].size, attacks[i].size / 2 };
        for (size_t j = 0; j < 2; j++) {
            expect_refused(&attacks[i], cuts[j]);
            expect_own_answer("/victim");
            expect_own_answer("/another");
            asked += 3;
        }
    }
    cr_expect_eq(backend_requests(one), asked, "the member heard what nobody may have asked");
}

#define SMUGGLES_NOTHING(name, ...)                                                                                    \
    EDGE_TEST(edge_smuggling, name)                                                                                    \
    {                                                                                                                  \
        static const struct attack attacks[] = { __VA_ARGS__ };                                                        \
        smuggles_nothing(attacks, sizeof attacks / sizeof *attacks);                                                   \
    }

/* The one in front believes the length, the one behind it the chunks. */
SMUGGLES_NOTHING(cl_te, ATTACK(POST "Content-Length: 47\r\n" CHUNKED "\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Content-Length: 6\r\n" CHUNKED "\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "content-length: 47\r\nX: y\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n" SMUGGLED))

/* And the other way round. */
SMUGGLES_NOTHING(te_cl, ATTACK(POST CHUNKED "Content-Length: 4\r\n\r\n2a\r\n" SMUGGLED "\r\n0\r\n\r\n"),
                 ATTACK(POST CHUNKED "Content-Length: 0\r\n\r\n2a\r\n" SMUGGLED "\r\n0\r\n\r\n"))

/* Both know chunks, but one of them not in this spelling. */
SMUGGLES_NOTHING(te_te,
                 ATTACK(POST "Content-Length: 4\r\n" CHUNKED "Transfer-Encoding: x\r\n\r\n2a\r\n" SMUGGLED
                             "\r\n0\r\n\r\n"),
                 ATTACK(POST CHUNKED "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Transfer-Encoding: identity\r\n" CHUNKED "\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n2a\r\n" SMUGGLED "\r\n0\r\n\r\n"),
                 ATTACK(POST "Transfer-Encoding: \x0b"
                             "chunked\r\nContent-Length: 4\r\n\r\n2a\r\n" SMUGGLED "\r\n0\r\n\r\n"),
                 ATTACK("POST /one/attack HTTP/1.0\r\nHost: a\r\n" CHUNKED "Content-Length: 4\r\n\r\n2a\r\n" SMUGGLED
                        "\r\n0\r\n\r\n"))

SMUGGLES_NOTHING(obs_fold,
                 ATTACK(POST "Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n2a\r\n" SMUGGLED
                             "\r\n0\r\n\r\n"),
                 ATTACK(POST "X: y\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Content-Length: 0\r\n 6\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(GET " Host: b\r\nHost: a\r\n\r\n" SMUGGLED))

SMUGGLES_NOTHING(bare_lf,
                 ATTACK(POST "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Content-Length: 6\r\nX: y\n\n" SMUGGLED),
                 ATTACK("POST /one/attack HTTP/1.1\nHost: a\nContent-Length: 0\n\n" SMUGGLED),
                 ATTACK(POST CHUNKED "\r\n0\n\n" SMUGGLED), ATTACK(POST CHUNKED "\r\n0\r\n\n" SMUGGLED))

SMUGGLES_NOTHING(nul, ATTACK(POST "Transfer-Encoding: chunked\0\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Transfer-Encoding\0: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "X: y\0\r\nContent-Length: 0\r\n\r\n" SMUGGLED),
                 ATTACK(POST "Content-Length: 0\0"
                             "6\r\n\r\n0\r\n\r\n" SMUGGLED),
                 ATTACK("GET /one/attack\0 HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED),
                 ATTACK("GET\0 /one/attack HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED),
                 ATTACK(GET "Host: a\0.b\r\n\r\n" SMUGGLED), ATTACK(POST CHUNKED "\r\n0\0\r\n\r\n" SMUGGLED))

SMUGGLES_NOTHING(absolute_form, ATTACK("GET http://b/one/attack HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED),
                 ATTACK("GET http://a/one/attack HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED),
                 ATTACK("GET HTTPS://b:443/one/attack HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED),
                 ATTACK("GET //b/one/attack@ http://a/ HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED))

SMUGGLES_NOTHING(host_twice, ATTACK(GET "Host: a\r\nHost: b\r\n\r\n" SMUGGLED),
                 ATTACK(GET "Host: a\r\nX: y\r\nhOST: a\r\n\r\n" SMUGGLED), ATTACK(GET "Host: a, b\r\n\r\n" SMUGGLED))
