/* proxy-cache where many ask at once, and on several processes. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_one.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char config[] = "_format_version: '3.0'\n"
                             "services: [{name: one, url: 'http://127.0.0.1:%d', read_timeout: 3000}]\n"
                             "routes:\n"
                             "  - {name: plain, service: one, paths: [/plain], plugins: [{name: proxy-cache, config: "
                             "{strategy: memory}}]}\n"
                             "  - {name: obey, service: one, paths: [/obey], plugins: [{name: proxy-cache, config: "
                             "{strategy: memory, cache_control: true}}]}\n";

static void start(const char *const *environment)
{
    one_start(environment, config);
}

static void setup(void)
{
    start(NULL);
}

TestSuite(edge_cache_many, .timeout = 60);

#define TEXT "Content-Type: text/plain\r\n"

/* Headers that make the member at /ROUTE/say answer so. */
static const char *say_reply(const char *headers, const char *body)
{
    static char out[4096];
    char reply[1024];
    size_t at = (size_t)sprintf(out, "X-Say: ");
    snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%s", strlen(body), headers, body);
    for (const char *c = reply; *c; c++)
        at += (size_t)sprintf(out + at, "%02x", (unsigned char)*c);
    strcpy(out + at, "\r\n");
    return out;
}

struct asker {
    pthread_t thread;
    const char *path, *headers;
    char *answer;
};

static void *run_asker(void *self)
{
    struct asker *asker = self;
    asker->answer = get(edge.port, asker->path, asker->headers);
    return NULL;
}

enum { ASKERS = 16 };

static void ask_all(struct asker *askers, const char *path, const char *headers)
{
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .path = path, .headers = headers };
        pthread_create(&askers[i].thread, NULL, run_asker, &askers[i]);
    }
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i].thread, NULL);
}

EDGE_TEST(edge_cache_many, one_of_many_asks)
{
    struct asker askers[ASKERS];
    ask_all(askers, "/plain/stall?ms=300", "");
    for (int i = 0; i < ASKERS; i++) {
        cr_expect_str_eq(body_of(askers[i].answer), "late", "%s", askers[i].answer);
        free(askers[i].answer);
    }
    cr_expect_eq(backend_requests(one), 1);
    /* What is not to be kept makes nobody wait for longer than its head: and then not again. */
    int64_t begun = calm_ms();
    ask_all(askers, "/obey/stall?ms=600", "");
    cr_expect_lt(calm_ms() - begun, 2400);
    begun = calm_ms();
    for (int i = 0; i < ASKERS; i++) {
        cr_expect_str_eq(body_of(askers[i].answer), "late", "%s", askers[i].answer);
        free(askers[i].answer);
    }
    cr_expect_eq(backend_requests(one), 1 + ASKERS);
    ask_all(askers, "/obey/stall?ms=600", "");
    cr_expect_lt(calm_ms() - begun, 1150, "nobody waits for another");
    for (int i = 0; i < ASKERS; i++)
        free(askers[i].answer);
    /* A member that fails is not asked one by one. */
    begun = calm_ms();
    ask_all(askers, "/plain/close", "");
    cr_expect_lt(calm_ms() - begun, 2000);
    for (int i = 0; i < ASKERS; i++) {
        cr_expect_eq(status_of(askers[i].answer), 502, "%s", askers[i].answer);
        free(askers[i].answer);
    }
}

/* Whoever asked went away: who waits asks anew. */
EDGE_TEST(edge_cache_many, one_that_goes_away_is_followed)
{
    int fd = dial(edge.port);
    struct linger hard = { .l_onoff = 1 };
    say(fd, "GET /plain/stall?ms=500 HTTP/1.1\r\nHost: music.example:8000\r\n\r\n");
    while (!backend_requests(one))
        usleep(1000);
    struct asker asker = { .path = "/plain/stall?ms=500", .headers = "" };
    pthread_create(&asker.thread, NULL, run_asker, &asker);
    usleep(100000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    pthread_join(asker.thread, NULL);
    cr_expect_str_eq(body_of(asker.answer), "late");
    free(asker.answer);
    cr_expect_eq(backend_requests(one), 2);
    char *answer = get(edge.port, "/plain/stall?ms=500", "");
    cr_expect(has(answer, "x-cache-status: Hit"), "%s", answer);
    free(answer);
}

/* One that reads slowly holds nobody up. */
EDGE_TEST(edge_cache_many, a_slow_reader_is_not_waited_for)
{
    char request[4096], path[] = "/plain/say?times=3000";
    int fd = dial(edge.port), room = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    static char reply[3000];
    memset(reply, 'x', sizeof reply);
    int at = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: music.example:8000\r\nX-Say: ", path);
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5400000\r\n\r\n";
    memcpy(reply, head, sizeof head - 1);
    for (int i = 0; i < 1800; i++)
        at += sprintf(request + at, "%02x", (unsigned char)reply[i]);
    strcpy(request + at, "\r\n\r\n");
    say(fd, request);
    while (!backend_requests(one))
        usleep(1000);
    usleep(100000);
    int64_t begun = calm_ms();
    char *answer = get(edge.port, path, say_reply(TEXT, "quick"));
    cr_expect_lt(calm_ms() - begun, 2500);
    cr_expect_str_eq(body_of(answer), "quick");
    free(answer);
    close(fd);
}

/* What one process keeps the others give, and one asks for all. */
Test(edge_cache_many, processes_share_what_they_keep)
{
    start((const char *const[]){ "EDGE_PROCESSES=2", NULL });
    for (int i = 0; i < 24; i++) {
        char *answer = get(edge.port, "/plain/a", "");
        cr_expect(has(answer, i ? "x-cache-status: Hit" : "x-cache-status: Miss"), "%d: %s", i, answer);
        free(answer);
    }
    cr_expect_eq(backend_requests(one), 1);
    struct asker askers[ASKERS];
    ask_all(askers, "/plain/stall?ms=300", "");
    for (int i = 0; i < ASKERS; i++) {
        cr_expect_str_eq(body_of(askers[i].answer), "late", "%s", askers[i].answer);
        free(askers[i].answer);
    }
    cr_expect_eq(backend_requests(one), 2);
    /* What is stale is asked for once. */
    free(get(edge.port, "/obey/say", say_reply(TEXT "Cache-Control: max-age=1, stale-while-revalidate=60\r\n", "old")));
    usleep(1100000);
    int64_t until = clock_ms() + 30000;
    char *answer = NULL;
    do {
        free(answer);
        answer = get(edge.port, "/obey/say", say_reply(TEXT "Cache-Control: max-age=60\r\n", "new"));
        cr_assert_lt(clock_ms(), until);
    } while (strcmp(body_of(answer), "new") != 0);
    for (int i = 0; i < 24; i++) {
        free(answer);
        answer = get(edge.port, "/obey/say", "");
        cr_expect(has(answer, "x-cache-status: Hit") && strcmp(body_of(answer), "new") == 0, "%s", answer);
    }
    cr_expect_eq(backend_requests(one), 4);
    free(answer);
    /* And what is changed through one is not given by the other. */
    answer = ask(edge.port, "POST /plain/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    cr_expect_eq(status_of(answer), 200);
    free(answer);
    for (int i = 0; i < 24; i++) {
        answer = get(edge.port, "/plain/a", "");
        cr_expect(has(answer, i ? "x-cache-status: Hit" : "x-cache-status: Miss"), "%d: %s", i, answer);
        free(answer);
    }
    teardown();
}
