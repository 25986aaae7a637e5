/* rate-limiting with the edge's own counts. */
#include "base/clock.h"
#include "edge_one.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: all, paths: [/all], plugins: [{name: rate-limiting, config: {second: 50, minute: 60, hour: 70, day: "
    "80, month: 90, year: 100}}]}\n"
    "      - {name: two, paths: [/two], plugins: [{name: rate-limiting, config: {day: 2}}]}\n"
    "      - {name: second, paths: [/second], plugins: [{name: rate-limiting, config: {second: 1, day: 1000}}]}\n"
    "      - {name: own, paths: [/own], plugins: [{name: rate-limiting, config: {day: 1, error_code: 420, error_message: "
    "'not so fast', hide_client_headers: true, policy: local, fault_tolerant: false, sync_rate: -1}}]}\n"
    "      - {name: ip, paths: [/ip], plugins: [{name: rate-limiting, config: {day: 1, limit_by: ip}}]}\n"
    "      - {name: header, paths: [/header], plugins: [{name: rate-limiting, config: {day: 1, limit_by: header, "
    "header_name: X-Tenant}}]}\n"
    "      - {name: path, paths: [/path], plugins: [{name: rate-limiting, config: {day: 2, limit_by: path, path: "
    "/path/hot}}]}\n"
    "      - {name: service, paths: [/service], plugins: [{name: rate-limiting, config: {day: 1, limit_by: service}}]}\n"
    "      - {name: consumer, paths: [/consumer], plugins: [{name: key-auth}, {name: rate-limiting, config: {day: 1}}]}\n"
    "      - {name: credential, paths: [/credential], plugins: [{name: key-auth}, {name: rate-limiting, config: {day: 1, "
    "limit_by: credential}}]}\n"
    "      - {name: many, paths: [/many], plugins: [{name: rate-limiting, config: {day: 60}}]}\n"
    "  - name: shared\n"
    "    url: http://127.0.0.1:%d\n"
    "    plugins: [{name: rate-limiting, config: {day: 2}}]\n"
    "    routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]\n"
    "consumers:\n"
    "  - {username: ann, keyauth_credentials: [{key: key-of-ann}]}\n"
    "  - {username: bob, keyauth_credentials: [{key: key-of-bob}], plugins: [{name: rate-limiting, config: {day: 3}}]}\n";

/* A day must not end in between. */
static void wait_for_a_day(void)
{
    while (clock_now_ms() / 1000 % 86400 > 86400 - 20)
        usleep(100000);
}

static void start(const char *processes)
{
    const char *const environment[] = { "EDGE_TRUSTED_PROXIES=127.0.0.1", processes, NULL };
    wait_for_a_day();
    one_start(environment, config);
}

static void setup(void)
{
    start("EDGE_PROCESSES=1");
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_rate_limiting, .timeout = 60);

static int status(const char *path, const char *headers)
{
    char *answer = get(edge.port, path, headers);
    int out = status_of(answer);
    free(answer);
    return out;
}

/* -1: it is not there. */
static long number(const char *answer, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(answer, line);
    return at && at < body_of(answer) ? strtol(at + strlen(line), NULL, 10) : -1;
}

EDGE_TEST(edge_rate_limiting, tells_each_window)
{
    static const char *const names[] = { "second", "minute", "hour", "day", "month", "year" };
    free(get(edge.port, "/all/", ""));
    char *answer = get(edge.port, "/all/", "");
    cr_expect_eq(status_of(answer), 200);
    for (int i = 0; i < 6; i++) {
        char limit[64], rest[64];
        snprintf(limit, sizeof limit, "X-RateLimit-Limit-%s", names[i]);
        snprintf(rest, sizeof rest, "X-RateLimit-Remaining-%s", names[i]);
        cr_expect_eq(number(answer, limit), 50 + 10 * i, "%s", answer);
        /* a second may have begun in between, and a minute */
        cr_expect(number(answer, rest) == 48 + 10 * i || (i < 2 && number(answer, rest) == 49 + 10 * i), "%s", answer);
    }
    cr_expect_eq(number(answer, "RateLimit-Limit"), 50);
    cr_expect_geq(number(answer, "RateLimit-Remaining"), 48);
    cr_expect_eq(number(answer, "RateLimit-Reset"), 1);
    cr_expect_eq(number(answer, "Retry-After"), -1);
    free(answer);
}

EDGE_TEST(edge_rate_limiting, refuses_what_is_too_much)
{
    cr_expect_eq(status("/two/", ""), 200);
    cr_expect_eq(status("/two/", ""), 200);
    for (int i = 0; i < 3; i++) {
        char *answer = get(edge.port, "/two/", "");
        long left = 86400 - (long)(clock_now_ms() / 1000 % 86400);
        cr_expect_eq(status_of(answer), 429);
        cr_expect(has(answer, "\"message\":\"API rate limit exceeded\""), "%s", answer);
        cr_expect_eq(number(answer, "X-RateLimit-Limit-Day"), 2);
        cr_expect_eq(number(answer, "X-RateLimit-Remaining-Day"), 0);
        cr_expect_eq(number(answer, "RateLimit-Remaining"), 0);
        cr_expect_lt(labs(number(answer, "RateLimit-Reset") - left), 3, "%s", answer);
        cr_expect_eq(number(answer, "Retry-After"), number(answer, "RateLimit-Reset"));
        free(answer);
    }
    cr_expect_eq(backend_requests(one), 2, "what is refused reaches nobody");
}

EDGE_TEST(edge_rate_limiting, lets_in_again_in_the_next_window)
{
    int64_t until = clock_ms() + 30000;
    while (status("/second/", "") != 429)
        cr_assert_lt(clock_ms(), until, "never two within a second");
    while (status("/second/", "") != 200)
        cr_assert_lt(clock_ms(), until);
}

EDGE_TEST(edge_rate_limiting, answers_as_it_is_told)
{
    char *answer = get(edge.port, "/own/", "");
    cr_expect_eq(status_of(answer), 200);
    cr_expect_not(has(answer, "ratelimit"));
    free(answer);
    answer = get(edge.port, "/own/", "");
    cr_expect_eq(status_of(answer), 420);
    cr_expect(has(answer, "\"message\":\"not so fast\""));
    cr_expect_not(has(answer, "ratelimit") || has(answer, "retry-after"), "%s", answer);
    free(answer);
}

EDGE_TEST(edge_rate_limiting, is_shown_as_kong_shows_it)
{
    char *answer = get(edge.admin_port, "/routes/two/plugins", "");
    cr_expect(has(answer, "\"second\":null,\"minute\":null,\"hour\":null,\"day\":2,\"month\":null"), "%s", answer);
    free(answer);
}

EDGE_TEST(edge_rate_limiting, counts_by_whom_it_is_told)
{
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        { "/ip/", "", 200 },
        { "/ip/", "", 429 },
        { "/ip/", "X-Forwarded-For: 10.0.0.1\r\n", 200 },
        { "/ip/", "X-Forwarded-For: 10.0.0.1\r\n", 429 },
        { "/ip/", "X-Forwarded-For: 10.0.0.2\r\n", 200 },
        { "/header/", "X-Tenant: a\r\n", 200 },
        { "/header/", "X-Tenant: a\r\n", 429 },
        { "/header/", "X-Tenant: b\r\n", 200 },
        { "/header/", "", 200 }, /* by its address then */
        { "/header/", "", 429 },
        { "/header/", "X-Forwarded-For: 10.0.0.1\r\n", 200 },
        { "/path/hot", "", 200 },
        { "/path/hot?x", "X-Forwarded-For: 10.0.0.1\r\n", 200 },
        { "/path/hot", "X-Forwarded-For: 10.0.0.2\r\n", 429 },
        { "/path/cold", "X-Forwarded-For: 10.0.0.2\r\n", 200 },
        { "/service/", "X-Forwarded-For: 10.0.0.1\r\n", 200 },
        { "/service/", "X-Forwarded-For: 10.0.0.2\r\n", 429 },
        { "/consumer/?apikey=key-of-ann", "", 200 },
        { "/consumer/?apikey=key-of-ann", "X-Forwarded-For: 10.0.0.2\r\n", 429 },
        { "/consumer/?apikey=key-of-bob", "", 200 }, /* whose own limit is three, wherever he is */
        { "/consumer/?apikey=key-of-bob", "", 200 },
        { "/credential/?apikey=key-of-ann", "", 200 },
        { "/credential/?apikey=key-of-ann", "", 429 },
        { "/a/", "", 200 }, /* a service's limit is one for its routes */
        { "/b/", "", 200 },
        { "/a/", "", 429 },
        { "/b/", "", 429 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(status(cases[i].path, cases[i].headers), cases[i].status, "%zu: %s %s", i, cases[i].path,
                     cases[i].headers);
}

static void wait_for_reload(void)
{
    for (int64_t until = clock_ms() + 30000; clock_ms() < until; usleep(5000)) {
        char *log = edge_process_log(&edge);
        bool read = has(log, "read again");
        free(log);
        if (read)
            return;
    }
    cr_assert_fail("it was not read again");
}

EDGE_TEST(edge_rate_limiting, survives_a_reload)
{
    cr_expect_eq(status("/two/", ""), 200);
    edge_process_signal(&edge, SIGHUP);
    wait_for_reload();
    cr_expect_eq(status("/two/", ""), 200);
    cr_expect_eq(status("/two/", ""), 429);
}

/* Two processes */

static void *ask_many(void *passed)
{
    for (int i = 0; i < 40; i++)
        *(int *)passed += status("/many/", "") == 200;
    return NULL;
}

Test(edge_rate_limiting, is_exact_over_all_processes)
{
    pthread_t threads[4];
    pid_t workers[PIDS_MAX];
    int passed[4] = { 0 }, sum = 0;
    start("EDGE_PROCESSES=2");
    cr_assert(edge_workers_wait(&edge, 2, 0, workers), "%s", edge_process_log(&edge));
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, ask_many, &passed[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        sum += passed[i];
    }
    cr_expect_eq(sum, 60);
    teardown();
}

static int passes(int requests)
{
    int passed = 0;
    for (int i = 0; i < requests; i++)
        passed += try_get(edge.port, "/many/", "") == 200;
    return passed;
}

Test(edge_rate_limiting, outlives_the_processes_that_count)
{
    pid_t workers[PIDS_MAX], now[PIDS_MAX];
    start("EDGE_PROCESSES=2");
    cr_assert(edge_workers_wait(&edge, 2, 0, workers), "%s", edge_process_log(&edge));
    cr_expect_eq(passes(30), 30);
    kill(workers[0], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[0], now));
    kill(workers[1], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[1], now));
    cr_expect_eq(passes(40), 30);
    teardown();
}
