/* Which member a request goes to, through the real edge. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MEMBERS = 4 };

static struct backend *members[MEMBERS];
static struct edge_process edge;

static const char config[] =
    "_format_version: '3.0'\n"
    "upstreams:\n"
    "  - {name: ip, algorithm: consistent-hashing, hash_on: ip, targets: [%s]}\n"
    "  - {name: header, algorithm: consistent-hashing, hash_on: header, hash_on_header: X-Who,\n"
    "     hash_fallback: query_arg, hash_fallback_query_arg: who, targets: [%s]}\n"
    "  - {name: path, algorithm: consistent-hashing, hash_on: path, targets: [%s]}\n"
    "  - {name: cookie, algorithm: consistent-hashing, hash_on: cookie, hash_on_cookie: sticky,\n"
    "     hash_on_cookie_path: /cookie, targets: [%s]}\n"
    "  - {name: consumer, algorithm: consistent-hashing, hash_on: consumer, targets: [%s]}\n"
    "  - {name: least, algorithm: least-connections, targets: [%s]}\n"
    "  - {name: fast, algorithm: latency, targets: [%s]}\n"
    "  - {name: thin, healthchecks: {threshold: 60}, targets: [%s]}\n"
    "  - {name: turns, targets: [%s]}\n"
    "  - {name: capture, algorithm: consistent-hashing, hash_on: uri_capture, hash_on_uri_capture: track, targets: [%s]}\n"
    "services:\n"
    "  - {name: ip, host: ip, routes: [{name: ip, paths: [/ip]}]}\n"
    "  - {name: header, host: header, routes: [{name: header, paths: [/header]}]}\n"
    "  - {name: path, host: path, routes: [{name: path, paths: [/path]}]}\n"
    "  - {name: cookie, host: cookie, routes: [{name: cookie, paths: [/cookie]}]}\n"
    "  - {name: consumer, host: consumer, plugins: [{name: key-auth}], routes: [{name: consumer, paths: [/consumer]}]}\n"
    "  - {name: least, host: least, routes: [{name: least, paths: [/least]}]}\n"
    "  - {name: fast, host: fast, routes: [{name: fast, paths: [/fast]}]}\n"
    "  - {name: thin, host: thin, routes: [{name: thin, paths: [/thin]}]}\n"
    "  - {name: capture, host: capture, routes: [{name: capture, paths: ['~/t/(?<track>[^/]+)/']}]}\n"
    "  - {name: turns, host: turns, routes: [{name: turns, paths: [/turns]}]}\n"
    "consumers:\n"
    "  - {username: ann, keyauth_credentials: [{key: ann-1}, {key: ann-2}]}\n"
    "  - {username: bob, keyauth_credentials: [{key: bob-1}]}\n";

static void setup(void)
{
    static const char *const names[MEMBERS] = { "m0", "m1", "m2", "m3" };
    char list[256];
    size_t size = 0;
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = backend_start(names[i]);
        size += (size_t)snprintf(list + size, sizeof list - size, "%s{target: '127.0.0.1:%d'}", i ? ", " : "",
                                 backend_port(members[i]));
    }
    const char *t = list;
    edge_process_start(&edge, (const char *const[]){ "EDGE_PROCESSES=2", NULL }, config, t, t, t, t, t, t, t, t, t, t);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    for (int i = 0; i < MEMBERS; i++)
        backend_stop(members[i]);
}

TestSuite(edge_upstreams, .timeout = 60);

/* The number of the member that answered, -1 if none did. */
static int who(const char *path, const char *headers)
{
    char *answer = get(edge.port, path, headers);
    const char *at = strstr(body_of(answer), "member: m");
    int out = at ? at[9] - '0' : -1;
    free(answer);
    return out;
}

/* Always the same for the same, and several for several. `format` has a %d. */
static void expect_sticky(const char *path_format, const char *header_format)
{
    char path[128], headers[128];
    unsigned seen = 0;
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, path_format, i);
        snprintf(headers, sizeof headers, header_format, i);
        int first = who(path, headers);
        cr_assert_geq(first, 0);
        for (int n = 0; n < 3; n++)
            cr_expect_eq(who(path, headers), first, "%s %s", path, headers);
        seen |= 1U << first;
    }
    cr_expect_geq(__builtin_popcount(seen), 2, "%s %s", path, headers);
}

EDGE_TEST(edge_upstreams, hashes_on_the_address)
{
    int first = who("/ip/0", "");
    for (int i = 1; i < 12; i++) {
        char path[32];
        snprintf(path, sizeof path, "/ip/%d", i);
        cr_expect_eq(who(path, ""), first);
    }
}

EDGE_TEST(edge_upstreams, hashes_on_a_header_and_falls_back_to_the_query)
{
    expect_sticky("/header/x", "x-who: %d\r\n");
    expect_sticky("/header/x?a=b&who=%d", "");
    /* Neither: in turns. */
    unsigned seen = 0;
    for (int i = 0; i < 12; i++)
        seen |= 1U << who("/header/x?whose=1", "");
    cr_expect_geq(__builtin_popcount(seen), 2);
}

EDGE_TEST(edge_upstreams, hashes_on_the_path)
{
    expect_sticky("/path/%d", "");
    cr_expect_eq(who("/path/a?x=1", ""), who("/path/a?x=2", ""));
}

EDGE_TEST(edge_upstreams, hashes_on_what_the_path_captures)
{
    expect_sticky("/t/%d/stream", "");
    cr_expect_eq(who("/t/a/stream", ""), who("/t/a/waveform", ""));
}

EDGE_TEST(edge_upstreams, hashes_on_the_consumer_whichever_key_he_brings)
{
    int ann = who("/consumer/1", "apikey: ann-1\r\n");
    cr_expect_geq(ann, 0);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(who("/consumer/2", i % 2 ? "apikey: ann-1\r\n" : "apikey: ann-2\r\n"), ann);
}

EDGE_TEST(edge_upstreams, hashes_on_a_cookie_and_sets_the_one_that_is_missing)
{
    expect_sticky("/cookie/x", "cookie: a=b; sticky=%d\r\n");
    char *answer = get(edge.port, "/cookie/x", ""), cookie[128] = "";
    const char *at = strstr(answer, "\r\nset-cookie: sticky="), *member = strstr(answer, "member: m");
    cr_assert(at && member, "%s", answer);
    cr_expect(has(answer, "; Path=/cookie; HttpOnly\r\n"), "%s", answer);
    snprintf(cookie, sizeof cookie, "cookie: %.43s\r\n", at + 14);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(who("/cookie/x", cookie), member[9] - '0');
    free(answer);
    answer = get(edge.port, "/cookie/x", cookie);
    cr_expect_not(has(answer, "set-cookie"));
    free(answer);
}

/* Holds a request open at a member, until it is closed. */
static int hold_one(const char *path)
{
    int fd = dial(edge.port);
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    say(fd, text);
    return fd;
}

static long total(void)
{
    long sum = 0;
    for (int i = 0; i < MEMBERS; i++)
        sum += backend_requests(members[i]);
    return sum;
}

static void wait_for_total(long want)
{
    for (int64_t until = clock_ms() + 30000; total() < want && clock_ms() < until;)
        usleep(2000);
    cr_assert_geq(total(), want);
}

/* Each process counts for itself: 16 requests that stand still are spread evenly by both. */
EDGE_TEST(edge_upstreams, asks_the_member_with_the_least_to_do)
{
    int open[4 * MEMBERS];
    for (int i = 0; i < 4 * MEMBERS; i++) {
        open[i] = hold_one("/least/stall?ms=5000");
        wait_for_total(i + 1);
    }
    for (int i = 0; i < MEMBERS; i++)
        cr_expect(backend_requests(members[i]) >= 3 && backend_requests(members[i]) <= 5, "%ld at m%d",
                  backend_requests(members[i]), i);
    for (int i = 0; i < 4 * MEMBERS; i++)
        close(open[i]);
}

static void expect_welcome(int fd)
{
    char text[4096];
    size_t size = 0;
    for (ssize_t got; (got = recv(fd, text + size, sizeof text - 1 - size, 0)) > 0;) {
        size += (size_t)got;
        text[size] = 0;
        if (strstr(text, "welcome"))
            return;
    }
    cr_assert_fail("no tunnel");
}

/* A tunnel is something to do, too. */
EDGE_TEST(edge_upstreams, counts_tunnels_as_connections)
{
    int open[2 * MEMBERS];
    for (int i = 0; i < 2 * MEMBERS; i++) {
        open[i] = dial(edge.port);
        say(open[i], "GET /least/socket HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        expect_welcome(open[i]);
    }
    for (int i = 0; i < MEMBERS; i++)
        cr_expect(backend_requests(members[i]) >= 1 && backend_requests(members[i]) <= 3, "%ld at m%d",
                  backend_requests(members[i]), i);
    for (int i = 0; i < 2 * MEMBERS; i++)
        close(open[i]);
}

/* The first of each loop is asked once before it is judged; from then on hardly ever, for it is slow. */
EDGE_TEST(edge_upstreams, asks_the_slow_one_less)
{
    for (int i = 0; i < 60; i++) {
        char *answer = get(edge.port, "/fast/slow-at-m0", "");
        cr_expect_eq(status_of(answer), 200);
        free(answer);
    }
    /* Two thirds of its share: on a machine that lets the others wait, too, they may look as slow for a moment. */
    cr_expect_lt(backend_requests(members[0]), 60 / MEMBERS * 2 / 3, "%ld of 60", backend_requests(members[0]));
}

static char *admin(const char *method, const char *format, ...)
{
    char path[256], text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method,
             path);
    return ask(edge.admin_port, text);
}

static int put(const char *upstream, int member, const char *word)
{
    char *answer = admin("PUT", "/upstreams/%s/targets/127.0.0.1:%d/%s", upstream, backend_port(members[member]), word);
    int status = status_of(answer);
    free(answer);
    return status;
}

static json_t *health(const char *path)
{
    char *answer = admin("GET", "%s", path);
    json_t *out = json_loads(body_of(answer), 0, NULL);
    cr_assert_not_null(out, "%s", answer);
    free(answer);
    return out;
}

static const char *state_of(const json_t *page, size_t i)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(page, "data"), i), "health"));
}

EDGE_TEST(edge_upstreams, the_operator_takes_a_target_out_of_all_processes_and_puts_it_back)
{
    pid_t pids[PIDS_MAX];
    cr_assert(edge_workers_wait(&edge, 2, 0, pids));
    cr_expect_eq(put("turns", 1, "unhealthy"), 204);
    for (int i = 0; i < 40; i++)
        cr_expect_neq(who("/turns/x", ""), 1);
    json_t *page = health("/upstreams/turns/health");
    cr_expect_str_eq(state_of(page, 0), "HEALTHY");
    cr_expect_str_eq(state_of(page, 1), "UNHEALTHY");
    cr_expect_eq(json_integer_value(json_object_get(page, "total")), MEMBERS);
    const json_t *data = json_object_get(json_array_get(json_object_get(page, "data"), 1), "data");
    const json_t *address = json_array_get(json_object_get(data, "addresses"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(address, "ip")), "127.0.0.1");
    cr_expect_eq(json_integer_value(json_object_get(address, "port")), backend_port(members[1]));
    cr_expect_str_eq(json_string_value(json_object_get(address, "health")), "UNHEALTHY");
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(data, "weight"), "unavailable")), 100);
    json_decref(page);
    cr_expect_eq(put("turns", 1, "healthy"), 204);
    int seen = 0;
    for (int i = 0; i < 40; i++)
        seen += who("/turns/x", "") == 1;
    cr_expect_gt(seen, 4);
    cr_expect_eq(put("nobody", 1, "healthy"), 404);
    char *answer = admin("PUT", "/upstreams/turns/targets/127.0.0.1:1/healthy");
    cr_expect_eq(status_of(answer), 404);
    free(answer);
}

EDGE_TEST(edge_upstreams, below_its_threshold_an_upstream_is_503)
{
    cr_expect_geq(who("/thin/x", ""), 0);
    put("thin", 0, "unhealthy");
    cr_expect_geq(who("/thin/x", ""), 0);
    put("thin", 1, "unhealthy");
    char *answer = get(edge.port, "/thin/x", "");
    cr_expect_eq(status_of(answer), 503);
    free(answer);
    json_t *page = health("/upstreams/thin/health?balancer_health=1");
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(page, "data"), "health")), "UNHEALTHY");
    json_decref(page);
}

EDGE_TEST(edge_upstreams, health_is_kept_when_an_upstream_is_edited)
{
    char list[128];
    cr_expect_eq(put("turns", 1, "unhealthy"), 204);
    snprintf(list, sizeof list, "{target: '127.0.0.1:%d'}, {target: '127.0.0.1:%d', weight: 7}",
             backend_port(members[0]), backend_port(members[1]));
    edge_process_write(&edge,
                       "_format_version: '3.0'\n"
                       "upstreams: [{name: turns, algorithm: least-connections, healthchecks: {passive: {unhealthy: "
                       "{tcp_failures: 9}}}, targets: [%s]}]\n"
                       "services: [{name: turns, host: turns, routes: [{name: edited, paths: [/edited]}]}]\n",
                       list);
    edge_process_signal(&edge, SIGHUP);
    for (int64_t until = clock_ms() + 30000; who("/edited/x", "") < 0 && clock_ms() < until;)
        usleep(5000);
    for (int i = 0; i < 20; i++)
        cr_expect_neq(who("/edited/x", ""), 1);
    json_t *page = health("/upstreams/turns/health");
    cr_expect_str_eq(state_of(page, 1), "UNHEALTHY");
    json_decref(page);
}

/* What one process found out holds for the others, and for the one that is started after it. */
EDGE_TEST(edge_upstreams, health_is_kept_when_a_process_dies)
{
    pid_t pids[PIDS_MAX], after[PIDS_MAX];
    cr_assert(edge_workers_wait(&edge, 2, 0, pids));
    cr_expect_eq(put("turns", 2, "unhealthy"), 204);
    kill(pids[0], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, pids[0], after));
    for (int i = 0; i < 40; i++)
        cr_expect_neq(who("/turns/x", ""), 2);
}
