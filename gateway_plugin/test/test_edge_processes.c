/* Two processes on the same ports: one dies, is started again; the parent dies; both stop. */
#include "base/clock.h"
#include "edge_one.h"
#include "edge_workers.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { CALLERS = 12 };

static pid_t workers[PIDS_MAX];

static const char config[] = "_format_version: '3.0'\n"
                             "services: [{name: a, url: 'http://127.0.0.1:%d', routes: [{name: r, paths: [%s]}]}]\n"
                             "plugins: [{name: prometheus}]\n";
static const char *const environment[] = { "EDGE_PROCESSES=2", NULL };

static void setup(void)
{
    one = backend_start("one");
    edge_process_start(&edge, environment, config, backend_port(one), "/a");
    cr_assert(edge_workers_wait(&edge, 2, 0, workers), "%s", edge_process_log(&edge));
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_processes, .timeout = 120);

/* Somebody who asks again and again: on one connection, or on a new one each time. */
struct caller {
    pthread_t thread;
    atomic_bool stop;
    int fd; /* -1: new ones */
    atomic_long good, bad;
    _Atomic int64_t last_bad_ms; /* when the last that failed had begun */
    pid_t owner;                 /* of the connection */
};

static void *call(void *self)
{
    struct caller *caller = self;
    while (!caller->stop) {
        int64_t began_ms = clock_ms();
        int status = caller->fd < 0 ? try_get(edge.port, "/a/", "Connection: close\r\n") : try_again(caller->fd, "/a/");
        atomic_fetch_add(status == 200 ? &caller->good : &caller->bad, 1);
        if (status != 200)
            caller->last_bad_ms = began_ms;
        if (status != 200 && caller->fd >= 0)
            break;
        usleep(500);
    }
    return NULL;
}

/* A connection that has been used, to any process but this one (0: to any); *owner: which. */
static int dial_one_of_another(pid_t not_of, pid_t *owner)
{
    for (;;) {
        int fd = dial(edge.port);
        cr_assert_eq(try_again(fd, "/a/"), 200);
        *owner = edge_worker_of(workers, 2, fd);
        cr_assert(*owner);
        if (*owner != not_of)
            return fd;
        close(fd);
    }
}

static void callers_begin(struct caller *callers, int count, bool stay)
{
    for (int i = 0; i < count; i++) {
        /* Which process a connection comes to is the kernel's choice: both shall have some. */
        pid_t not_of = stay && i == count - 1 ? callers[0].owner : 0;
        callers[i] = (struct caller){ .fd = -1 };
        if (stay)
            callers[i].fd = dial_one_of_another(not_of, &callers[i].owner);
        pthread_create(&callers[i].thread, NULL, call, &callers[i]);
    }
}

/* They have been answered so often. */
static void callers_wait(const struct caller *callers, int count, long good)
{
    int64_t until = clock_ms() + 30000;
    for (int i = 0; i < count; i++)
        while (callers[i].good <= good && !(callers[i].bad && callers[i].fd >= 0) && clock_ms() < until)
            usleep(5000);
}

static void callers_end(struct caller *callers, int count)
{
    for (int i = 0; i < count; i++)
        callers[i].stop = true;
    for (int i = 0; i < count; i++) {
        pthread_join(callers[i].thread, NULL);
        if (callers[i].fd >= 0)
            close(callers[i].fd);
    }
}

EDGE_TEST(edge_processes, one_dies_of_an_assertion_and_the_other_loses_nothing)
{
    struct caller staying[CALLERS], fresh[2];
    int lost = 0, stayed = 0;
    callers_begin(staying, CALLERS, true);
    callers_begin(fresh, 2, false);
    callers_wait(staying, CALLERS, 10);
    callers_wait(fresh, 2, 10);
    pid_t dead = staying[0].owner;
    cr_assert_eq(kill(dead, SIGABRT), 0);
    cr_assert(process_ended_within(dead, 30000));
    int64_t died_ms = clock_ms();
    pid_t now[PIDS_MAX];
    cr_expect(edge_workers_wait(&edge, 2, dead, now), "%s", edge_process_log(&edge));
    usleep(500000);
    callers_end(staying, CALLERS);
    callers_end(fresh, 2);
    for (int i = 0; i < CALLERS; i++) {
        lost += staying[i].owner == dead;
        stayed += staying[i].owner != dead;
        cr_expect(staying[i].owner == dead || !staying[i].bad, "a connection of the other one was lost");
        cr_expect_gt(staying[i].good, 10);
    }
    cr_expect(lost > 0 && stayed > 0, "%d and %d", lost, stayed);
    for (int i = 0; i < 2; i++) {
        /* What came to the dead one until the kernel had taken its sockets away went with it; nothing after that. */
        cr_expect_leq(fresh[i].bad, 10, "%ld of %ld", (long)fresh[i].bad, (long)fresh[i].good);
        cr_expect_leq(fresh[i].last_bad_ms, died_ms);
        cr_expect_gt(fresh[i].good, 10);
    }
    char *log = edge_process_log(&edge);
    cr_expect(has(log, "a process of the edge died") && has(log, "signal 6"), "%s", log);
    free(log);
    cr_expect_eq(metric(&edge, "tonearm_edge_processes_died"), 1);
}

EDGE_TEST(edge_processes, who_dies_at_its_start_again_and_again_is_waited_for)
{
    pid_t dead = workers[0], now[PIDS_MAX];
    int64_t killed_ms = 0, before_ms;
    bool early = true; /* on a machine that is slow enough a process is an old one when it is killed */
    for (int i = 0; i < 5; i++) {
        before_ms = killed_ms;
        killed_ms = clock_ms();
        early = early && (i == 0 || killed_ms - before_ms < 1000);
        cr_assert_eq(kill(dead, SIGKILL), 0);
        cr_assert(edge_workers_wait(&edge, 2, dead, now), "%s", edge_process_log(&edge));
        dead = now[0] == workers[1] ? now[1] : now[0];
    }
    /* At least four early deaths in a row: 0, 100, 200, 400 ms. */
    cr_expect(!early || clock_ms() - killed_ms >= 350, "%lld ms", (long long)(clock_ms() - killed_ms));
    cr_expect_eq(try_get(edge.port, "/a/", ""), 200);
}

/* Who has its answer may ask before it has been counted. */
static void wait_for_count(const char *line, long count)
{
    for (int64_t until = clock_ms() + 30000; metric(&edge, line) < count && clock_ms() < until;)
        usleep(5000);
}

EDGE_TEST(edge_processes, counts_are_one_sum_that_never_falls)
{
    static const char requests[] = "tonearm_edge_requests_total{route=\"r\",status=\"200\"}";
    static const char latency[] = "tonearm_edge_request_seconds_count{route=\"r\"}";
    long accepted = 0;
    pid_t now[PIDS_MAX];
    for (int i = 0; i < 40; i++)
        cr_assert_eq(try_get(edge.port, "/a/", "Connection: close\r\n"), 200);
    wait_for_count(requests, 40);
    wait_for_count(latency, 40);
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(metric(&edge, requests), 40);
        cr_expect_eq(metric(&edge, latency), 40);
        cr_expect_gt(metric(&edge, "tonearm_edge_connections_accepted"), accepted);
        accepted = metric(&edge, "tonearm_edge_connections_accepted");
    }
    int fds[8], left = 0;
    for (int i = 0; i < 8; i++) {
        fds[i] = dial(edge.port);
        cr_assert_eq(try_again(fds[i], "/a/"), 200);
        left += edge_worker_of(workers, 2, fds[i]) == workers[1];
    }
    cr_expect_geq(metric(&edge, "tonearm_edge_connections"), 8);
    wait_for_count(requests, 48);
    wait_for_count(latency, 48);
    kill(workers[0], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[0], now));
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(metric(&edge, requests), 48);
        cr_expect_eq(metric(&edge, latency), 48);
        cr_expect_gt(metric(&edge, "tonearm_edge_connections_accepted"), accepted);
    }
    /* Those that the dead one held are nobody's; one is the admin's. */
    long open = metric(&edge, "tonearm_edge_connections");
    for (int64_t until = clock_ms() + 30000; open > left + 2 && clock_ms() < until; usleep(10000))
        open = metric(&edge, "tonearm_edge_connections");
    cr_expect(open >= left && open <= left + 2, "%ld, not %d", open, left);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}

/* Asked so often that both have answered. */
static int answers_with(const char *path, int status)
{
    int count = 0;
    for (int i = 0; i < 40; i++)
        count += try_get(edge.port, path, "Connection: close\r\n") == status;
    return count;
}

static void post(const char *path)
{
    char yaml[512], text[1024];
    snprintf(yaml, sizeof yaml, config, backend_port(one), path);
    snprintf(text, sizeof text,
             "POST /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/yaml\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             strlen(yaml), yaml);
    char *answer = ask(edge.admin_port, text);
    cr_expect_eq(status_of(answer), 201, "%s", answer);
    free(answer);
}

EDGE_TEST(edge_processes, a_configuration_reaches_both_and_who_is_started_again)
{
    static const char *const paths[] = { "/p0", "/p1", "/p2", "/p3" };
    pid_t now[PIDS_MAX];
    for (int i = 0; i < 4; i++) {
        post(paths[i]);
        /* Both have it; the loops are told last. */
        for (int64_t until = clock_ms() + 30000; answers_with(paths[i], 200) < 40 && clock_ms() < until;)
            usleep(5000);
        cr_expect_eq(answers_with(paths[i], 200), 40, "posted, and in use by one only");
    }
    cr_expect_eq(answers_with("/a", 404), 40);
    kill(workers[0], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[0], now));
    cr_expect_eq(answers_with("/p3", 200), 40, "who was started again has the one that was posted");
    edge_process_write(&edge, config, backend_port(one), "/file");
    edge_process_signal(&edge, SIGHUP);
    for (int i = 0; i < 500 && answers_with("/file", 200) < 40; i++)
        usleep(10000);
    cr_expect_eq(answers_with("/file", 200), 40);
    cr_expect_eq(answers_with("/p3", 404), 40);
    edge_process_write(&edge, "nonsense");
    edge_process_signal(&edge, SIGHUP);
    for (int i = 0; i < 500; i++) {
        char *log = edge_process_log(&edge);
        bool said = has(log, "the configuration was not taken");
        free(log);
        if (said)
            break;
        usleep(10000);
    }
    kill(workers[1], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[1], now));
    cr_expect_eq(answers_with("/file", 200), 40, "a file that is wrong now is not what it starts with");
}

EDGE_TEST(edge_processes, both_finish_what_is_under_way)
{
    int fds[CALLERS], of_first = 0;
    pid_t owners[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        fds[i] = dial_one_of_another(i == CALLERS - 1 ? owners[0] : 0, &owners[i]);
        of_first += owners[i] == workers[0];
    }
    long asked = backend_requests(one);
    for (int i = 0; i < CALLERS; i++)
        say(fds[i], "GET /a/stall?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect(of_first > 0 && of_first < CALLERS);
    while (backend_requests(one) < asked + CALLERS)
        usleep(5000);
    edge_process_signal(&edge, SIGTERM);
    for (int i = 0; i < CALLERS; i++) {
        char *answer = hear_one(fds[i]);
        cr_expect_str_eq(body_of(answer), "late");
        free(answer);
        close(fds[i]);
    }
    int status;
    cr_assert_eq(waitpid(edge.pid, &status, 0), edge.pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
    cr_expect(process_ended(workers[0]) && process_ended(workers[1]));
    edge_process_again(&edge, environment); /* for the end */
}

static int ends_with(const char *settings)
{
    char command[2048];
    snprintf(command, sizeof command,
             "cd '%s' && NATS_URL= EDGE_THREADS=2 EDGE_LISTEN=127.0.0.1:0 EDGE_ADMIN_LISTEN= EDGE_CONFIG=edge.yml %s "
             "timeout 30 '%s/gateway_plugin/tonearm-edge' >>log 2>&1",
             edge.dir, settings, getenv("BUILD"));
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

EDGE_TEST(edge_processes, what_cannot_start_says_so_and_ends)
{
    char used[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    cr_assert(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(used, sizeof used, "EDGE_LISTEN=127.0.0.1:%d", ntohs(address.sin_port));
    cr_expect_eq(ends_with(used), EX_UNAVAILABLE);
    cr_expect_eq(ends_with("EDGE_LISTEN=nowhere"), EX_CONFIG);
    cr_expect_eq(ends_with("EDGE_TLS_LISTEN=127.0.0.1:0 EDGE_TLS_CERT=/nowhere EDGE_TLS_KEY=/nowhere"), EX_CONFIG);
    edge_process_write(&edge, "nonsense");
    cr_expect_eq(ends_with(""), EX_CONFIG);
    close(fd);
}

EDGE_TEST(edge_processes, the_parent_is_killed_and_nobody_notices)
{
    struct caller fresh[2];
    pid_t now[PIDS_MAX];
    callers_begin(fresh, 2, false);
    callers_wait(fresh, 2, 10);
    edge_process_signal(&edge, SIGKILL);
    cr_assert_eq(waitpid(edge.pid, NULL, 0), edge.pid);
    usleep(1000000); /* as tonearm-supervise does */
    edge_process_again(&edge, environment);
    cr_expect(edge_workers_wait(&edge, 2, 0, now));
    cr_expect(process_ended_within(workers[0], 20000) && process_ended_within(workers[1], 20000), "left behind");
    usleep(200000);
    callers_wait(fresh, 2, 100);
    callers_end(fresh, 2);
    for (int i = 0; i < 2; i++) {
        cr_expect_leq(fresh[i].bad, 1, "%ld of %ld", (long)fresh[i].bad, (long)fresh[i].good);
        cr_expect_gt(fresh[i].good, 100);
    }
}
