/* The cache against a Redis that answers wrongly: nonsense, half an answer, another kind, too late. Slower, never
 * wrong. */
#include "store/cache.h"

#include "base/calm_clock.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum how { RIGHT, NONSENSE, HALF, OTHER_KIND, ENDLESS, AN_ERROR, LATE, CLOSED };

enum { LATE_MS = 60, A_CALL_MS = 20, BUSY_MS = 200 /* what a busy machine may add to a call */ };

static struct ctx ctx = { .request_id = "" };
static atomic_int how;
static int listener, port;

static void nap(int ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/* GET's answer is its key, so that an answer to another question is seen. */
static void answer_right(int fd, char *command)
{
    char *end = strrchr(command, '\r');
    if (!end)
        return;
    *end = 0;
    char *key = strrchr(command, '\n') + 1, out[256];
    int size = snprintf(out, sizeof out, "$%zu\r\n%s\r\n", strlen(key), key);
    send(fd, out, (size_t)size, MSG_NOSIGNAL);
}

static void say(int fd, const char *text)
{
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void answer(int fd, char *command)
{
    switch ((enum how)atomic_load(&how)) {
    case LATE:
        nap(LATE_MS);
        answer_right(fd, command);
        break;
    case RIGHT:
        answer_right(fd, command);
        break;
    case NONSENSE:
        say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
        break;
    case HALF:
        say(fd, "$5\r\nab");
        break;
    case OTHER_KIND:
        say(fd, ":7\r\n");
        break;
    case ENDLESS:
        say(fd, "$536870911\r\nabc");
        break;
    case AN_ERROR:
        say(fd, "-LOADING Redis is loading the dataset in memory\r\n");
        break;
    case CLOSED:
        shutdown(fd, SHUT_RDWR);
    }
}

static void *serve(void *self)
{
    int fd = (int)(intptr_t)self;
    char command[1024];
    for (ssize_t got; (got = recv(fd, command, sizeof command - 1, 0)) > 0;) {
        command[got] = 0;
        if (strstr(command, "SELECT"))
            say(fd, "+OK\r\n");
        else
            answer(fd, command);
    }
    close(fd);
    return NULL;
}

static void *accept_all(void *self)
{
    (void)self;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        pthread_t thread;
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
        pthread_detach(thread);
    }
    return NULL;
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    pthread_t thread;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 64) == 0);
    cr_assert(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    port = ntohs(at.sin_port);
    pthread_create(&thread, NULL, accept_all, NULL);
    pthread_detach(thread);
}

static void teardown(void)
{
    ctx_finish(&ctx);
}

TestSuite(cache_hostile, .init = setup, .fini = teardown, .timeout = 60);

static struct cache *open_cache(void)
{
    struct cache *cache = cache_open(&ctx, arena_printf(&ctx.arena, "redis://127.0.0.1:%d/3", port));
    cr_assert(cache);
    return cache;
}

/* Asks for a key of its own; the only value it may get is the key's. */
static bool ask(struct cache *cache, int number)
{
    const char *key = arena_printf(&ctx.arena, "key-%d", number);
    int64_t began = calm_ms();
    char *value = cache_get(&ctx, cache, key, NULL);
    int64_t took = calm_ms() - began;
    cr_expect_lt(took, A_CALL_MS + BUSY_MS, "a call took %lld ms", (long long)took);
    cr_expect_null(ctx.error);
    cr_expect(!value || strcmp(value, key) == 0, "%s was answered by %s", key, value);
    return value;
}

static void expect_right(struct cache *cache, int number)
{
    int64_t began = clock_ms();
    atomic_store(&how, RIGHT);
    while (!ask(cache, number++)) {
        cr_assert_lt(clock_ms() - began, 30000, "it did not come back");
        nap(20);
    }
    cr_expect(cache_up(cache));
    int answered = 0;
    for (int i = 0; i < 50; i++)
        answered += ask(cache, number++);
    cr_expect_gt(answered, 25, "%d of 50", answered);
}

/* No answer at all: the breaker opens, so that a thousand calls cost next to nothing; and it closes again. */
static void goes_on_without(enum how fault)
{
    struct cache *cache = open_cache();
    expect_right(cache, 0);
    atomic_store(&how, fault);
    int64_t began = calm_ms();
    for (int i = 0; i < 1000; i++)
        cr_expect_not(ask(cache, 1000 + i));
    cr_expect_lt(calm_ms() - began, 3000);
    cr_expect_not(cache_up(cache));
    expect_right(cache, 2000);
    cache_close(cache);
}

Test(cache_hostile, nonsense)
{
    goes_on_without(NONSENSE);
}

Test(cache_hostile, half_an_answer)
{
    goes_on_without(HALF);
}

Test(cache_hostile, an_answer_without_an_end)
{
    goes_on_without(ENDLESS);
}

Test(cache_hostile, a_connection_that_is_closed_at_each_question)
{
    goes_on_without(CLOSED);
}

/* An answer that comes too late must not be taken for that to the next question. */
Test(cache_hostile, an_answer_too_late_answers_nothing_else)
{
    goes_on_without(LATE);
}

/* Answers all the same: no value, and no reason to think that Redis is away. */
static void is_no_value(enum how fault)
{
    struct cache *cache = open_cache();
    expect_right(cache, 0);
    atomic_store(&how, fault);
    for (int i = 0; i < 50; i++)
        cr_expect_not(ask(cache, 100 + i));
    int64_t after;
    cr_expect_not(cache_put(&ctx, cache, "key", "value", 5, 1000));
    cr_expect(!cache_count(&ctx, cache, "key", 1, 1000, &after) || fault == OTHER_KIND);
    cr_expect_null(ctx.error);
    expect_right(cache, 200);
    cache_close(cache);
}

Test(cache_hostile, an_answer_of_another_kind)
{
    is_no_value(OTHER_KIND);
}

Test(cache_hostile, an_error_as_while_it_loads)
{
    is_no_value(AN_ERROR);
}
