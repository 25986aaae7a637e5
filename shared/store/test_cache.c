/* The cache against a real redis-server: there, frozen, gone, and back. */
#include "store/cache.h"
#include "store/redis.h"

#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/held_port.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct ctx ctx = { .request_id = "" };
static int server, port;

static bool is_listening(int number)
{
    _cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)number),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    return connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
}

static void start(void)
{
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char number[16];
        snprintf(number, sizeof number, "%d", port);
        execlp("redis-server", "redis-server", "--port", number, "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp",
               "--requirepass", "pass@word", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; !is_listening(port); i++) {
        cr_assert_lt(i, 3000, "redis-server did not start");
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
}

static void stop(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (system("command -v redis-server >/dev/null") != 0) {
        cr_assert(!text_equal(getenv("CI"), "true"), "redis-server is not there");
        cr_skip_test("redis-server is not there");
    }
    port = held_port();
    start();
}

static void teardown(void)
{
    stop();
    ctx_finish(&ctx);
}

TestSuite(cache, .init = setup, .fini = teardown, .timeout = 60);

static struct cache *open_cache(void)
{
    struct cache *cache = cache_open(&ctx, arena_printf(&ctx.arena, "redis://:pass%%40word@127.0.0.1:%d/3", port));
    cr_assert(cache);
    return cache;
}

Test(cache, keeps_and_forgets)
{
    struct cache *cache = open_cache();
    cache_patience(cache, 10000); /* however busy the machine is */
    size_t size;
    cr_expect_null(cache_get(&ctx, cache, "a", &size));
    cr_expect(cache_put(&ctx, cache, "a", "va\0lue", 6, 60000));
    char *value = cache_get(&ctx, cache, "a", &size);
    cr_assert(value);
    cr_expect_eq(size, 6);
    cr_expect_eq(memcmp(value, "va\0lue", 7), 0);
    cr_expect(cache_drop(&ctx, cache, "a"));
    cr_expect_null(cache_get(&ctx, cache, "a", &size));
    cr_expect(cache_put(&ctx, cache, "b", "", 0, 3000));
    cr_expect(cache_get(&ctx, cache, "b", &size) && size == 0);
    nanosleep(&(struct timespec){ .tv_sec = 3, .tv_nsec = 100000000 }, NULL);
    cr_expect_null(cache_get(&ctx, cache, "b", &size));
    cr_expect_not(cache_put(&ctx, cache, "c", "x", 1, 0), "a value without an end");
    cr_expect_null(ctx.error);
    cr_expect(cache_up(cache));
    cache_close(cache);
}

Test(cache, counts_with_an_end)
{
    struct cache *cache = open_cache();
    cache_patience(cache, 10000); /* however busy the machine is */
    int64_t after = 0;
    cr_expect(cache_count(&ctx, cache, "n", 1, 3000, &after) && after == 1);
    nanosleep(&(struct timespec){ .tv_sec = 2 }, NULL);
    cr_expect(cache_count(&ctx, cache, "n", 5, 3000, &after) && after == 6);
    nanosleep(&(struct timespec){ .tv_sec = 2 }, NULL);
    cr_expect(cache_count(&ctx, cache, "n", 1, 3000, &after) && after == 1, "the second count prolonged it");
    /* A key left by someone without an end gets one. */
    cr_expect(cache_put(&ctx, cache, "text", "no number", 9, 30000));
    cr_expect_not(cache_count(&ctx, cache, "text", 1, 300, &after));
    cr_expect(cache_up(cache), "an answer, though an error, is an answer");
    cache_close(cache);
}

/* The longest of `calls` calls; counts those that were answered. */
static int64_t slowest(struct cache *cache, int calls, int *answered)
{
    int64_t longest = 0;
    *answered = 0;
    for (int i = 0; i < calls; i++) {
        int64_t began = calm_ms();
        *answered += cache_put(&ctx, cache, "x", "y", 1, 1000);
        int64_t took = calm_ms() - began;
        longest = took > longest ? took : longest;
        cr_expect_null(ctx.error);
    }
    return longest;
}

static void expect_back(struct cache *cache)
{
    int64_t began = clock_ms();
    while (!cache_put(&ctx, cache, "back", "y", 1, 1000)) {
        cr_assert_lt(clock_ms() - began, 30000, "it did not come back");
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    cr_expect(cache_up(cache));
}

Test(cache, frozen_costs_little_and_recovers)
{
    struct cache *cache = open_cache();
    int answered;
    cache_patience(cache, 10000);
    slowest(cache, 50, &answered);
    cr_expect_eq(answered, 50);
    cache_patience(cache, 20);
    kill(server, SIGSTOP);
    waitpid(server, NULL, WUNTRACED); /* its threads stop one after the other; the last may still answer */
    int64_t began = calm_ms();
    int64_t longest = slowest(cache, 2000, &answered);
    cr_expect_eq(answered, 0);
    cr_expect_lt(longest, 60, "a call took %lld ms", (long long)longest);
    cr_expect_lt(calm_ms() - began, 500, "two thousand calls should be refused at once");
    cr_expect_not(cache_up(cache));
    kill(server, SIGCONT);
    expect_back(cache);
    cache_close(cache);
}

Test(cache, gone_and_started_again)
{
    struct cache *cache = open_cache();
    int answered;
    slowest(cache, 10, &answered);
    stop();
    int64_t longest = slowest(cache, 2000, &answered);
    cr_expect_eq(answered, 0);
    cr_expect_lt(longest, 60);
    start();
    expect_back(cache);
    /* A restart that no call noticed: the connections in the pool are closed, and no call fails for it. */
    stop();
    start();
    cache_patience(cache, 10000);
    slowest(cache, 20, &answered);
    cr_expect_geq(answered, 19);
    cache_close(cache);
}

struct hammer {
    struct cache *cache;
    pthread_t thread;
    int64_t counted, failed;
};

static void *hammer(void *self)
{
    struct hammer *hammer = self;
    struct ctx own = { .request_id = "" };
    for (int i = 0; i < 200; i++) {
        int64_t after;
        bool counted = cache_count(&own, hammer->cache, "together", 1, 60000, &after);
        hammer->counted += counted;
        hammer->failed += !counted;
        ctx_finish(&own);
    }
    return NULL;
}

Test(cache, many_threads)
{
    struct cache *cache = open_cache();
    struct hammer hammers[24] = { 0 };
    int64_t after, counted = 0, failed = 0;
    cache_patience(cache, 30000); /* a busy machine may take longer than 20 ms */
    for (int i = 0; i < 24; i++) {
        hammers[i].cache = cache;
        pthread_create(&hammers[i].thread, NULL, hammer, &hammers[i]);
    }
    for (int i = 0; i < 24; i++) {
        pthread_join(hammers[i].thread, NULL);
        counted += hammers[i].counted;
        failed += hammers[i].failed;
    }
    cr_assert(cache_count(&ctx, cache, "together", 0, 1000, &after));
    cr_expect_eq(failed, 0);
    cr_expect_eq(counted, 24 * 200);
    cr_expect_eq(after, counted);
    cache_close(cache);
}

Test(cache, runs_a_script_that_answers_with_numbers)
{
    struct cache *cache = open_cache();
    cache_patience(cache, 30000);
    int64_t is[2] = { 0 };
    const char *const words[] = { "a", "b", "40", NULL };
    cr_expect(cache_ping(&ctx, cache));
    cr_expect(cache_run(&ctx, cache, "return {#KEYS, ARGV[1] + 2}", 2, words, is, 2));
    cr_expect(is[0] == 2 && is[1] == 42);
    static const char *const others[] = { "return {1}", "return {1, 'x'}", "return 1", "return {1, nil}", "no script" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_not(cache_run(&ctx, cache, others[i], 2, words, is, 2), "%s", others[i]);
    const char *many[18] = {
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", NULL
    };
    cr_expect_not(cache_run(&ctx, cache, "return {1}", 1, many, is, 1), "more words than are taken");
    stop();
    cr_expect_not(cache_ping(&ctx, cache));
    start();
    cache_close(cache);
}

Test(cache, a_wrong_password_is_away)
{
    struct cache *cache = cache_open(&ctx, arena_printf(&ctx.arena, "redis://:wrong@127.0.0.1:%d", port));
    int answered;
    cr_expect_lt(slowest(cache, 100, &answered), 60);
    cr_expect_eq(answered, 0);
    cr_expect_not(cache_up(cache));
    cache_close(cache);
}

Test(cache_url, is_taken_apart)
{
    static const struct {
        const char *url, *host;
        int port;
        const char *password;
        int64_t db;
    } good[] = {
        { "redis://127.0.0.1:6380/2", "127.0.0.1", 6380, NULL, 2 },
        { "redis://:p%40ss:x@redis", "redis", 6379, "p@ss:x", 0 },
        { "redis://user:pass@h:1/", "h", 1, "pass", 0 },
        { "redis://[::1]:7000", "::1", 7000, NULL, 0 },
    };
    struct redis_address address;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert(redis_parse(&ctx, good[i].url, &address), "%s", good[i].url);
        cr_expect_str_eq(address.host, good[i].host);
        cr_expect_eq(address.port, good[i].port);
        cr_expect(text_equal(address.password, good[i].password));
        cr_expect_eq(address.db, good[i].db);
    }
    cr_assert(redis_parse(&ctx, "unix:/run/redis.sock", &address));
    cr_expect_str_eq(address.path, "/run/redis.sock");
    static const char *const bad[] = { "",
                                       "redis",
                                       "redis://",
                                       "redis://h:0",
                                       "redis://h:70000",
                                       "redis://h:1/x",
                                       "redis://:%4@h",
                                       "redis://:%00@h",
                                       "redis://[::1",
                                       "unix:",
                                       "http://h" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(redis_parse(&ctx, bad[i], &address), "%s", bad[i]);
    cr_expect_null(cache_open(&ctx, "rediss://h:1"));
    cr_expect(strstr(ctx.error->message, "TLS"));
    ctx_finish(&ctx);
}
