/* Health checks of real members, active and passive, by an edge of two processes. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend *one, *two;
static struct edge_process edge;
static const char *processes = "EDGE_PROCESSES=2";

#define PASSIVE_OFF "passive: {unhealthy: {tcp_failures: 0, timeouts: 0}}"

static void setup(void)
{
    one = backend_start("one");
    two = backend_start("two");
}

/* An upstream with these health checks over both, at /x. */
static void start(const char *checks)
{
    edge_process_start(&edge, (const char *const[]){ processes, NULL },
                       "_format_version: '3.0'\n"
                       "upstreams: [{name: u, host_header: u.example, healthchecks: {%s},\n"
                       "  targets: [{target: '127.0.0.1:%d'}, {target: '127.0.0.1:%d'}]}]\n"
                       "services: [{name: s, host: u, read_timeout: 2000, routes: [{name: r, paths: [/x]}]}]\n",
                       checks, backend_port(one), backend_port(two));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
    backend_stop(two);
}

TestSuite(edge_health, .timeout = 60);

static const char *state(size_t i)
{
    static char out[32];
    char *answer = get(edge.admin_port, "/upstreams/u/health", "");
    json_t *page = json_loads(body_of(answer), 0, NULL);
    const char *text = json_string_value(json_object_get(json_array_get(json_object_get(page, "data"), i), "health"));
    snprintf(out, sizeof out, "%s", text ? text : "none");
    json_decref(page);
    free(answer);
    return out;
}

static void wait_for_state(size_t i, const char *want)
{
    int64_t until = clock_ms() + 30000;
    while (strcmp(state(i), want) != 0 && clock_ms() < until)
        usleep(5000);
    cr_assert_str_eq(state(i), want);
}

/* Of `count` requests, how many `backend` had. All are answered. */
static long asked_of(const struct backend *backend, int count)
{
    long before = backend_requests(backend);
    for (int i = 0; i < count; i++) {
        char *answer = get(edge.port, "/x/y", "");
        cr_expect_eq(status_of(answer), 200, "%s", answer);
        free(answer);
    }
    return backend_requests(backend) - before;
}

EDGE_TEST(edge_health, probes_take_out_who_answers_badly_and_bring_back_who_answers_well)
{
    start("active: {http_path: /health, healthy: {interval: 0.05, successes: 2},\n"
          "unhealthy: {interval: 0.05, http_failures: 2}}");
    wait_for_state(0, "HEALTHY");
    backend_set_health(one, 500);
    wait_for_state(0, "UNHEALTHY");
    cr_expect_str_eq(state(1), "HEALTHY");
    long before = backend_health_asked(one), had = asked_of(one, 20) - (backend_health_asked(one) - before);
    cr_expect_leq(had, 1, "probes are requests too, but nobody else's");
    backend_set_health(one, 200);
    wait_for_state(0, "HEALTHY");
    char head[4096] = "";
    for (int64_t until = clock_ms() + 30000; !strstr(head, "/health") && clock_ms() < until;)
        backend_last_head(two, head, sizeof head);
    cr_expect(strstr(head, "GET /health HTTP/1.1\r\n"), "%s", head);
    cr_expect(strstr(head, "\r\nHost: u.example\r\n"), "%s", head);
}

EDGE_TEST(edge_health, probes_say_the_headers_and_count_the_statuses_of_the_file)
{
    start("active: {http_path: '/health?a=b', headers: {X-Probe: [p, q]}, healthy: {interval: 0.05, successes: 1,\n"
          "http_statuses: [418]}, unhealthy: {interval: 0.05, http_failures: 1, http_statuses: [200]}}");
    wait_for_state(0, "UNHEALTHY");
    char head[4096];
    backend_last_head(one, head, sizeof head);
    cr_expect(strstr(head, "GET /health?a=b HTTP/1.1\r\n"), "%s", head);
    cr_expect(strstr(head, "\r\nX-Probe: p\r\nX-Probe: q\r\n"), "%s", head);
    backend_set_health(one, 503);
    for (long asked = backend_health_asked(one); backend_health_asked(one) < asked + 4;)
        usleep(5000);
    cr_expect_str_eq(state(0), "UNHEALTHY", "503 is in neither list");
    backend_set_health(one, 418);
    wait_for_state(0, "HEALTHY");
}

EDGE_TEST(edge_health, probes_that_wait_too_long_have_failed)
{
    start("active: {http_path: /health, timeout: 1, healthy: {interval: 0.05, successes: 1},\n"
          "unhealthy: {interval: 0.05, timeouts: 1}}");
    backend_set_health(two, -2500);
    wait_for_state(1, "UNHEALTHY");
    cr_expect_str_eq(state(0), "HEALTHY");
    backend_set_health(two, 200);
    wait_for_state(1, "HEALTHY");
}

EDGE_TEST(edge_health, a_target_that_comes_back_is_asked_again)
{
    start("active: {http_path: /health, healthy: {interval: 0.05, successes: 1},\n"
          "unhealthy: {interval: 0.05, tcp_failures: 1}}");
    int port = backend_port(two);
    backend_stop(two);
    wait_for_state(1, "UNHEALTHY");
    asked_of(one, 20);
    two = backend_start_on("two", port);
    wait_for_state(1, "HEALTHY");
    cr_expect_geq(asked_of(two, 40), 10);
}

EDGE_TEST(edge_health, probes_of_tcp_ask_for_a_connection_alone)
{
    start("active: {type: tcp, healthy: {interval: 0.05, successes: 1}, unhealthy: {interval: 0.05, tcp_failures: 1}}");
    backend_set_health(one, 500);
    for (int64_t until = clock_ms() + 30000; backend_connections(one) < 3 && clock_ms() < until;)
        usleep(5000);
    cr_expect_geq(backend_connections(one), 3);
    cr_expect_eq(backend_requests(one), 0);
    cr_expect_str_eq(state(0), "HEALTHY");
    int port = backend_port(two);
    backend_stop(two);
    wait_for_state(1, "UNHEALTHY");
    two = backend_start_on("two", port);
    wait_for_state(1, "HEALTHY");
}

/* Two processes, one probe: 0.1 s between two of them. */
EDGE_TEST(edge_health, each_member_is_probed_by_one_process_at_a_time)
{
    start("active: {http_path: /health, healthy: {interval: 0.1, successes: 1}, unhealthy: {interval: 0.1}}");
    pid_t pids[PIDS_MAX];
    cr_assert(edge_workers_wait(&edge, 2, 0, pids));
    long before = backend_health_asked(one);
    int64_t began = clock_ms();
    while (backend_health_asked(one) < before + 6)
        usleep(2000);
    cr_expect_geq(clock_ms() - began, 450, "six in %d ms", (int)(clock_ms() - began));
}

EDGE_TEST(edge_health, no_more_probes_than_its_concurrency_are_open)
{
    /* As in Kong, of each process. */
    processes = "EDGE_PROCESSES=1";
    backend_set_health(one, -100);
    start("active: {http_path: /health, concurrency: 1, healthy: {interval: 0.01, successes: 1}}");
    for (int64_t until = clock_ms() + 30000; backend_health_asked(one) < 4 && clock_ms() < until;)
        usleep(5000);
    cr_expect_geq(backend_health_asked(one), 4);
    cr_expect_eq(backend_health_at_once(one), 1);
}

/* Passive */

EDGE_TEST(edge_health, statuses_of_requests_take_a_member_out)
{
    start("passive: {healthy: {successes: 1}, unhealthy: {http_failures: 2, http_statuses: [418]}}");
    cr_expect_str_eq(state(0), "HEALTHY");
    for (int i = 0; i < 40 && strcmp(state(0), "HEALTHY") == 0; i++)
        free(get(edge.port, "/x/status?code=418", ""));
    cr_expect_str_eq(state(0), "UNHEALTHY");
}

EDGE_TEST(edge_health, requests_that_time_out_take_a_member_out)
{
    start("passive: {healthy: {successes: 0}, unhealthy: {timeouts: 1}}");
    char *answer = get(edge.port, "/x/stall?ms=4000", "");
    cr_expect_eq(status_of(answer), 504);
    free(answer);
    cr_expect(strcmp(state(0), "UNHEALTHY") == 0 || strcmp(state(1), "UNHEALTHY") == 0);
}

EDGE_TEST(edge_health, says_that_nobody_looks_where_all_is_off)
{
    start(PASSIVE_OFF);
    cr_expect_str_eq(state(0), "HEALTHCHECKS_OFF");
}

EDGE_TEST(edge_health, one_process_learns_from_the_other)
{
    start("passive: {healthy: {successes: 0}, unhealthy: {tcp_failures: 1}}");
    int port = backend_port(two);
    backend_stop(two);
    /* One connection is one process's: the other has met nobody who is away. */
    int fd = dial(edge.port);
    for (int i = 0; i < 4; i++) {
        say(fd, "GET /x/y HTTP/1.1\r\nHost: x\r\n\r\n");
        char *answer = hear_one(fd);
        cr_expect_eq(status_of(answer), 200, "%s", answer);
        free(answer);
    }
    close(fd);
    cr_expect_str_eq(state(1), "UNHEALTHY");
    two = backend_start_on("two", port);
    cr_expect_eq(asked_of(two, 40), 0);
}
