/* rate-limiting with a Redis that two edges share: there, away, frozen, and back. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"
#include "store/redis_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD "pass word"

static struct backend *one;
static struct redis_server redis;
static struct edge_process edge, other;

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: open, paths: [/open], plugins: [{name: rate-limiting, config: {day: 5, hour: 4, policy: redis, redis: "
    "{host: 127.0.0.1, port: %d, password: '" PASSWORD "', database: 3, timeout: 1000}}}]}\n"
    "      - {name: closed, paths: [/closed], plugins: [{name: rate-limiting, config: {day: 5, policy: redis, "
    "fault_tolerant: false, redis_host: localhost, redis_port: %d, redis_password: '" PASSWORD "'}}]}\n"
    "      - {name: many, paths: [/many], plugins: [{name: rate-limiting, config: {day: 60, policy: redis, fault_tolerant: false, redis: {host: "
    "127.0.0.1, port: %d, password: '" PASSWORD "', username: default}}}]}\n"
    "      - {name: secret, paths: [/secret], plugins: [{name: rate-limiting, config: {day: 1, limit_by: header, "
    "header_name: Authorization, policy: redis, redis: {host: 127.0.0.1, port: %d, password: '" PASSWORD "', database: "
    "4}}}]}\n"
    "      - {name: sync, paths: [/sync], plugins: [{name: rate-limiting, config: {day: 10, policy: redis, sync_rate: "
    "0.05, fault_tolerant: false, redis: {host: 127.0.0.1, port: %d, password: '" PASSWORD "', database: 5}}}]}\n"
    "      - {name: locked, paths: [/locked], plugins: [{name: rate-limiting, config: {day: 60, policy: redis, "
    "fault_tolerant: false, redis: {host: 127.0.0.1, port: %d, password: wrong}}}]}\n";

/* An hour must not end in between. */
static void wait_for_an_hour(void)
{
    while (clock_now_ms() / 1000 % 3600 > 3600 - 20)
        usleep(100000);
}

/* With time for a busy machine; as it is shipped where its time is what the test is about. */
static const char *const patient[] = { "EDGE_PROGRAM=gateway_plugin/test/tonearm-edge-patient", NULL };
static const char *const *shipped;

static void start(struct edge_process *process, const char *const *environment)
{
    edge_process_start(process, environment, config, backend_port(one), redis.port, redis.port, redis.port, redis.port,
                       redis.port, redis.port);
}

static void setup(void)
{
    wait_for_an_hour();
    redis_server_start(&redis, PASSWORD);
    one = backend_start("one");
    start(&edge, patient);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
    redis_server_kill(&redis);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_rate_limiting_redis, .timeout = 180);

static int status_at(int port, const char *path)
{
    char *answer = get(port, path, "");
    int out = status_of(answer);
    free(answer);
    return out;
}

static int status(const char *path)
{
    return status_at(edge.port, path);
}

/* Is it counted again? Where it is not, requests of /open pass without a word. */
static bool counts(void)
{
    char *answer = get(edge.port, "/open/", "");
    bool out = has(answer, "ratelimit-limit");
    free(answer);
    return out;
}

static void wait_until_it_counts(void)
{
    for (int64_t until = clock_ms() + 30000; !counts(); usleep(20000))
        cr_assert_lt(clock_ms(), until, "%s", edge_process_log(&edge));
}

EDGE_TEST(edge_rate_limiting_redis, counts_where_it_is_told)
{
    char *answer = get(edge.port, "/open/", "");
    cr_expect_eq(status_of(answer), 200);
    cr_expect(has(answer, "X-RateLimit-Remaining-Day: 4\r\n") && has(answer, "X-RateLimit-Remaining-Hour: 3\r\n"), "%s",
              answer);
    cr_expect(has(answer, "\r\nRateLimit-Limit: 4\r\n"), "%s", answer);
    free(answer);
    redisReply *keys = redis_server_ask(&redis, PASSWORD, "3", "KEYS ratelimit:{open///ip:127.0.0.1}:*:hour");
    cr_assert_eq(keys->elements, 1);
    char command[512];
    snprintf(command, sizeof command, "TTL %s", keys->element[0]->str);
    redisReply *ttl = redis_server_ask(&redis, PASSWORD, "3", command);
    cr_expect(ttl->integer > 3500 && ttl->integer <= 3600, "%lld", ttl->integer);
    freeReplyObject(ttl);
    freeReplyObject(keys);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(status("/open/"), 200);
    cr_expect_eq(status("/open/"), 429, "four an hour");
    answer = get(edge.port, "/open/", "");
    cr_expect(has(answer, "X-RateLimit-Remaining-Day: 1\r\n"), "what is refused is counted nowhere: %s", answer);
    free(answer);
}

/* A header that is limited by may hold a secret. */
EDGE_TEST(edge_rate_limiting_redis, keeps_no_header_there)
{
    for (int i = 0; i < 2; i++) {
        char *answer = get(edge.port, "/secret/", "Authorization: Bearer of-bad-news\r\n");
        cr_expect_eq(status_of(answer), i ? 429 : 200);
        free(answer);
    }
    redisReply *keys = redis_server_ask(&redis, PASSWORD, "4", "KEYS *");
    cr_assert_eq(keys->elements, 1);
    cr_expect_not(has(keys->element[0]->str, "bad-news"), "%s", keys->element[0]->str);
    freeReplyObject(keys);
}

struct asker {
    pthread_t thread;
    int port, passed, unknown;
};

static void *ask_many(void *self)
{
    struct asker *asker = self;
    for (int i = 0; i < 40; i++) {
        int got = status_at(asker->port, "/many/");
        asker->passed += got == 200;
        asker->unknown += got == 503;
    }
    return NULL;
}

EDGE_TEST(edge_rate_limiting_redis, is_exact_over_two_edges)
{
    struct asker askers[4] = { 0 };
    int sum = 0, unknown = 0;
    start(&other, patient);
    cr_expect_eq(status("/many/"), 200);
    char *answer = get(other.port, "/many/", "");
    cr_expect(has(answer, "\r\nRateLimit-Remaining: 58\r\n"), "%s", answer);
    free(answer);
    for (int i = 0; i < 4; i++) {
        askers[i].port = i % 2 ? edge.port : other.port;
        pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(askers[i].thread, NULL);
        sum += askers[i].passed;
        unknown += askers[i].unknown;
    }
    /* Where a machine stood still for 20 ms Redis may have counted what nobody was told of: never too many. */
    cr_expect(sum <= 58 && sum + unknown >= 58, "%d and %d", sum, unknown);
    edge_process_stop(&other);
}

EDGE_TEST(edge_rate_limiting_redis, the_limiters_redis_away_fails_open_or_closed_as_set)
{
    for (int i = 0; i < 5; i++)
        cr_expect_eq(status("/closed/"), 200);
    cr_expect_eq(status("/closed/"), 429);
    redis_server_kill(&redis);
    for (int i = 0; i < 10; i++) {
        int64_t begun = calm_ms();
        cr_expect_eq(status("/open/"), 200, "more than four pass uncounted");
        char *answer = get(edge.port, "/closed/", "");
        cr_expect_eq(status_of(answer), 503);
        cr_expect(has(answer, "\r\nretry-after: 1\r\n"), "%s", answer);
        free(answer);
        cr_expect_lt(calm_ms() - begun, 1000);
    }
    char *metrics = get(edge.admin_port, "/metrics", "");
    cr_expect(has(metrics, "\ntonearm_edge_limits_reached 1\n"), "%s", metrics);
    cr_expect(has(metrics, "\ntonearm_edge_limits_unknown 20\n"), "%s", metrics);
    free(metrics);
    redis_server_again(&redis, PASSWORD);
    wait_until_it_counts();
    /* Each of the two has a link of its own. */
    for (int64_t until = clock_ms() + 30000; status("/closed/") != 200; usleep(20000))
        cr_assert_lt(clock_ms(), until);
}

EDGE_TEST(edge_rate_limiting_redis, frozen_holds_nobody_up)
{
    edge_process_stop(&edge);
    start(&edge, shipped);
    cr_expect_eq(status("/open/"), 200);
    redis_server_freeze(&redis, true);
    for (int i = 0; i < 10; i++) {
        int64_t begun = calm_ms();
        cr_expect_eq(status("/open/"), 200);
        cr_expect_eq(status("/closed/"), 503);
        /* 20 ms each, at most; the rest is for a busy machine */
        cr_expect_lt(calm_ms() - begun, edge_process_sanitized() ? 2000 : 500);
    }
    redis_server_freeze(&redis, false);
    wait_until_it_counts();
}

/* Nobody notices that Redis was started again while there was nothing to ask. */
EDGE_TEST(edge_rate_limiting_redis, an_idle_connection_that_was_closed_costs_no_count)
{
    cr_expect_eq(status("/closed/"), 200);
    redis_server_kill(&redis);
    redis_server_again(&redis, PASSWORD);
    char *answer = get(edge.port, "/closed/", "");
    cr_expect_eq(status_of(answer), 200);
    cr_expect(has(answer, "RateLimit-Remaining-Day: 4\r\n"), "%s", answer);
    free(answer);
}

static void wait_until_logged(const char *text)
{
    for (int64_t until = clock_ms() + 30000;; usleep(5000)) {
        char *log = edge_process_log(&edge);
        bool there = has(log, text);
        cr_assert(there || clock_ms() < until, "%s", log);
        free(log);
        if (there)
            return;
    }
}

EDGE_TEST(edge_rate_limiting_redis, lets_in_nobody_with_a_wrong_password_and_logs_none)
{
    cr_expect_eq(status("/locked/"), 503);
    wait_until_logged("the Redis of a rate limit is away");
    char *log = edge_process_log(&edge);
    cr_expect_not(has(log, PASSWORD) || has(log, "wrong"), "%s", log);
    free(log);
}

/* What Redis has of /sync; 0: nothing. */
static long synced(void)
{
    long out = 0;
    redisReply *keys = redis_server_ask(&redis, PASSWORD, "5", "KEYS ratelimit:{sync/*:day");
    if (keys->elements) {
        char command[512];
        snprintf(command, sizeof command, "GET %s", keys->element[0]->str);
        redisReply *value = redis_server_ask(&redis, PASSWORD, "5", command);
        out = strtol(value->str, NULL, 10);
        freeReplyObject(value);
    }
    freeReplyObject(keys);
    return out;
}

static void wait_until_synced(long count)
{
    for (int64_t until = clock_ms() + 30000; synced() != count; usleep(5000))
        cr_assert_lt(clock_ms(), until, "%ld", synced());
}

EDGE_TEST(edge_rate_limiting_redis, can_be_synchronised_from_time_to_time)
{
    start(&other, patient);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(status("/sync/"), 200);
    wait_until_synced(6);
    cr_expect_eq(status_at(other.port, "/sync/"), 200, "it has heard of nothing yet");
    wait_until_synced(7);
    /* What it has told it has heard the sum of, a moment later. */
    for (int64_t until = clock_ms() + 30000; status_at(other.port, "/sync/") == 200; usleep(60000))
        cr_assert_lt(clock_ms(), until);
    wait_until_synced(10);
    edge_process_stop(&other);
    /* Nobody waits for it, and nothing that was counted meanwhile is lost. */
    redisReply *flushed = redis_server_ask(&redis, PASSWORD, "5", "FLUSHDB");
    freeReplyObject(flushed);
    redis_server_freeze(&redis, true);
    int64_t begun = calm_ms();
    for (int i = 0; i < 3; i++)
        cr_expect_eq(status("/sync/"), 200, "the seventh to the ninth of this edge");
    cr_expect_lt(calm_ms() - begun, edge_process_sanitized() ? 2000 : 500);
    wait_until_logged("it does not take what was counted");
    cr_expect_eq(status("/sync/"), 200);
    redis_server_freeze(&redis, false);
    wait_until_synced(4);
}

EDGE_TEST(edge_rate_limiting_redis, synchronised_is_what_was_counted_while_it_was_started_again)
{
    cr_expect_eq(status("/sync/"), 200);
    wait_until_synced(1);
    redis_server_kill(&redis);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(status("/sync/"), 200);
    redis_server_again(&redis, PASSWORD);
    wait_until_synced(3);
}

static int threads_of_limits(void)
{
    char command[128];
    snprintf(command, sizeof command, "cat /proc/%d/task/*/comm | grep -c '^limits$'", (int)edge.pid);
    FILE *pipe = popen(command, "r");
    int count = 0;
    cr_assert_eq(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

EDGE_TEST(edge_rate_limiting_redis, leaves_no_thread_behind_after_a_reload)
{
    cr_expect_eq(threads_of_limits(), 6, "one for each address, name and password");
    edge_process_write(&edge, config, backend_port(one), redis.port, redis.port, redis.port, redis.port, redis.port,
                       redis.port);
    edge_process_signal(&edge, SIGHUP);
    usleep(1000);
    cr_expect_eq(status("/open/"), 200);
    edge_process_write(&edge,
                       "_format_version: '3.0'\n"
                       "services: [{name: s, url: 'http://127.0.0.1:%d', routes: [{paths: [/open]}]}]\n",
                       backend_port(one));
    edge_process_signal(&edge, SIGHUP);
    for (int64_t until = clock_ms() + 30000; threads_of_limits(); usleep(10000))
        cr_assert_lt(clock_ms(), until);
    cr_expect_eq(status("/open/"), 200);
}
