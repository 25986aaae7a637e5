/* Connections without number: ten thousand at a time, and more than there are descriptors for. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"
#include "edge_h2.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PLAIN = 9000, H2 = 1000, ALL = PLAIN + H2, WAVE = 50, FEWER = 5 };

static struct backend *member;
static struct edge_process edge;
static int fds[ALL];

static void start(const char *processes)
{
    const char *const environment[] = { processes, processes[strlen(processes) - 1] == '1' ? "EDGE_THREADS=1" : "",
                                        NULL };
    member = backend_start("one");
    edge_process_start(&edge, environment,
                       "_format_version: '3.0'\n"
                       "upstreams: [{name: u, targets: [{target: '127.0.0.1:%d'}],\n"
                       "  healthchecks: {passive: {unhealthy: {tcp_failures: 1}}}}]\n"
                       "services: [{name: one, host: u, routes: [{name: one, paths: [/one]}]}]\n",
                       backend_port(member));
}

static void stop(void)
{
    edge_process_stop(&edge);
    backend_stop(member);
}

TestSuite(edge_many, .timeout = 120);

static bool answers(int status)
{
    char *answer = get(edge.port, "/one/new", "");
    bool out = status_of(answer) == status;
    free(answer);
    return out;
}

/* Ten thousand */

/* This process's connections and each edge process's: root may have more than the limit. */
static void want_descriptors(rlim_t count)
{
    struct rlimit files;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < count)
        files.rlim_max = count;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        cr_skip_test("a process may not have %ld descriptors", (long)count);
}

static void ask_plain(int fd)
{
    say(fd, "GET /one/x HTTP/1.1\r\nHost: a\r\n\r\n");
}

static bool plain_is_answered(int fd)
{
    char *answer = hear_one(fd);
    bool out = status_of(answer) == 200;
    free(answer);
    return out;
}

/* Each as soon as it is there, so that no more are idle than have been answered. */
static void open_plain(int from, int to)
{
    for (int i = from; i < to; i++) {
        fds[i] = dial(edge.port);
        cr_assert_geq(fds[i], 0, "number %d", i);
        ask_plain(fds[i]);
        cr_assert(plain_is_answered(fds[i]), "number %d", i);
    }
}

static void open_h2(int from, int to)
{
    for (int i = from; i < to; i++) {
        fds[i] = h2_dial(edge.port);
        cr_assert_geq(fds[i], 0, "number %d", i);
        h2_get(fds[i], 1, "/one/x");
        cr_assert_eq(h2_answer(fds[i], 1, NULL, 0), 200, "number %d", i);
    }
}

/* All of them once more, WAVE at a time. Between two waves somebody new is served. */
static void ask_all(int count, int plain)
{
    for (int from = 0; from < count; from += WAVE) {
        for (int i = from; i < from + WAVE; i++) {
            if (i < plain)
                ask_plain(fds[i]);
            else
                h2_get(fds[i], 3, "/one/x");
        }
        for (int i = from; i < from + WAVE; i++)
            cr_assert(i < plain ? plain_is_answered(fds[i]) : h2_answer(fds[i], 3, NULL, 0) == 200, "number %d", i);
        cr_assert(answers(200));
    }
}

/* Bytes of resident memory of the processes that serve. */
static long memory(const pid_t *workers)
{
    long kib = 0;
    for (int i = 0; i < 2; i++)
        kib += edge_process_memory(&(struct edge_process){ .pid = workers[i] });
    return kib * 1024;
}

static void expect_memory(long bytes, int connections, long most)
{
    cr_log_info("%d connections: %ld bytes each", connections, bytes / connections);
    if (!edge_process_sanitized())
        cr_expect_lt(bytes / connections, most, "%ld bytes for each of %d", bytes / connections, connections);
}

/* Fewer where a sanitizer makes all of it slow. */
Test(edge_many, ten_thousand_connections_at_once_are_all_answered)
{
    int fewer = edge_process_sanitized() ? FEWER : 1, plain = PLAIN / fewer, all = ALL / fewer;
    pid_t workers[PIDS_MAX];
    want_descriptors((rlim_t)all + 2000);
    start("EDGE_PROCESSES=2");
    cr_assert(edge_workers_wait(&edge, 2, 0, workers));
    open_plain(0, 100); /* every loop has seen one */
    long before = memory(workers);
    open_plain(100, plain);
    long then = memory(workers);
    expect_memory(then - before, plain - 100, 8 << 10);
    open_h2(plain, all);
    expect_memory(memory(workers) - then, all - plain, 32 << 10);
    cr_expect_geq(metric(&edge, "tonearm_edge_connections"), all);
    ask_all(all, plain);
    cr_expect_geq(metric(&edge, "tonearm_edge_connections"), all, "nobody was let go");
    cr_expect_eq(metric(&edge, "tonearm_edge_refused"), 0);
    for (int i = 0; i < all; i++)
        close(fds[i]);
    for (int64_t until = clock_ms() + 30000; metric(&edge, "tonearm_edge_connections") > 0 && clock_ms() < until;)
        usleep(10000);
    cr_expect_eq(metric(&edge, "tonearm_edge_connections"), 0);
    stop();
}

/* More than there are descriptors for */

static const char upgrade[] =
    "GET /one/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/* A tunnel takes two. false: there is no room for one more. */
static bool open_tunnel(int *fd)
{
    char text[512] = "";
    *fd = dial(edge.port);
    say(*fd, upgrade);
    struct pollfd poller = { .fd = *fd, .events = POLLIN };
    for (size_t got = 0; !strstr(text, "welcome");) {
        if (poll(&poller, 1, 1000) != 1)
            return false;
        ssize_t part = recv(*fd, text + got, sizeof text - 1 - got, 0);
        if (part <= 0 || strstr(text, " 503 "))
            return false;
        got += (size_t)part;
    }
    return true;
}

static bool is_healthy(void)
{
    char *health = get(edge.admin_port, "/upstreams/u/health", "");
    bool out = has(health, "\"HEALTHY\"");
    free(health);
    return out;
}

/* How many there is room for, at most `most`; all are closed again. */
static int tunnels_that_fit(int most)
{
    int *tunnels = calloc((size_t)most, sizeof *tunnels), count = 0;
    cr_assert_not_null(tunnels);
    while (count < most && open_tunnel(&tunnels[count]))
        count++;
    for (int i = 0; i <= count && i < most; i++)
        close(tunnels[i]);
    free(tunnels);
    return count;
}

/* Its connection is there, and nothing is left to ask the member by. */
Test(edge_many, a_request_for_which_no_descriptor_is_left_is_503_and_blames_no_member)
{
    enum { MOST = 80 };
    struct rlimit files = { 224, 224 };
    int tunnels[MOST], count = 0, idle;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    start("EDGE_PROCESSES=1");
    idle = dial(edge.port);
    ask_plain(idle);
    cr_assert(plain_is_answered(idle));
    while (count < MOST && open_tunnel(&tunnels[count]))
        count++;
    cr_assert(count > 20 && count < MOST, "%d", count);
    ask_plain(idle);
    char *answer = hear_one(idle);
    cr_expect_eq(status_of(answer), 503, "%s", answer);
    cr_expect(has(answer, "too many requests at a time") && has(answer, "retry-after"), "%s", answer);
    free(answer);
    cr_expect(is_healthy());
    for (int i = 0; i <= count; i++)
        close(tunnels[i]);
    bool again = false;
    for (int64_t until = clock_ms() + 30000; !again && clock_ms() < until;)
        again = answers(200);
    cr_expect(again, "with room it goes on");
    int fit = 0;
    for (int64_t until = clock_ms() + 20000; fit < count && clock_ms() < until;)
        fit = tunnels_that_fit(count);
    cr_expect_eq(fit, count, "each gives back what it took");
    cr_expect(is_healthy());
    close(idle);
    stop();
}

/* Milliseconds of processor time that the edge has used. */
static long processor_ms(void)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)edge.pid);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_gt(fread(text, 1, sizeof text - 1, file), 0u);
    fclose(file);
    sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* The system's limit is reached before the edge's own: somebody else has taken them. */
Test(edge_many, who_comes_when_the_system_has_no_descriptor_waits_and_costs_nothing)
{
    /* Below what it has; poll() takes no more entries than this. */
    struct rlimit before, none = { .rlim_cur = 8 };
    start("EDGE_PROCESSES=1");
    cr_assert(answers(200) && is_healthy(), "all of its loops run");
    cr_assert_eq(prlimit(edge.pid, RLIMIT_NOFILE, NULL, &before), 0);
    none.rlim_max = before.rlim_max;
    cr_assert_eq(prlimit(edge.pid, RLIMIT_NOFILE, &none, NULL), 0);
    int fd = dial(edge.port);
    ask_plain(fd);
    long used = processor_ms();
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    cr_expect_eq(poll(&poller, 1, 1500), 0, "it is not answered yet");
    used = processor_ms() - used;
    cr_expect_lt(used, 150, "%ld ms of 1500", used);
    cr_assert_eq(prlimit(edge.pid, RLIMIT_NOFILE, &before, NULL), 0);
    cr_expect(plain_is_answered(fd));
    cr_expect(is_healthy());
    close(fd);
    stop();
}
