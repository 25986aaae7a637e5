/* A hundred reloads under load, by SIGHUP and by POST /config, of an edge of two processes. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_one.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RELOADS = 100, CALLERS = 5, SOCKETS = 6, OTHER_ROUTES = 40 };

/* What all configurations have, and a path of its own for each. */
static void write_config(char *out, size_t room, int number)
{
    size_t size = (size_t)snprintf(out, room,
                                   "_format_version: '3.0'\n"
                                   "services:\n"
                                   "  - name: s\n"
                                   "    url: http://127.0.0.1:%d\n"
                                   "    routes:\n"
                                   "      - {name: load, paths: [/a]}\n"
                                   "      - {name: socket, paths: [/ws]}\n"
                                   "      - {name: regex, paths: ['~/r/(?<id>\\d+)$']}\n"
                                   "      - {name: number, paths: [/number-%d]}\n",
                                   backend_port(one), number);
    for (int i = 0; i < OTHER_ROUTES; i++)
        size += (size_t)snprintf(out + size, room - size,
                                 "      - {name: o%d, paths: [/o%d], hosts: [h%d.org], headers: {x: ['~*^%d$']}}\n", i,
                                 i, i, i);
}

static void setup(void)
{
    static const char *const environment[] = { "EDGE_PROCESSES=2", NULL };
    char config[16384];
    pid_t workers[PIDS_MAX];
    one = backend_start("one");
    write_config(config, sizeof config, 0);
    edge_process_start(&edge, environment, "%s", config);
    cr_assert(edge_workers_wait(&edge, 2, 0, workers));
}

TestSuite(edge_reload, .timeout = 120);

struct caller {
    pthread_t thread;
    const char *path;
    bool each_new; /* a connection for each request */
    atomic_bool *stop;
    long good, bad, slow;
    int64_t worst_ms;
};

static int64_t spike_ms(void)
{
    return edge_process_sanitized() ? 500 : 100;
}

static void *call(void *self)
{
    struct caller *caller = self;
    int fd = caller->each_new ? -1 : try_dial(edge.port);
    while (!*caller->stop) {
        int64_t began_ms = calm_ms();
        int status = caller->each_new ? try_get(edge.port, caller->path, "Connection: close\r\n")
                                      : try_again(fd, caller->path);
        int64_t took_ms = calm_ms() - began_ms;
        *(status == 200 ? &caller->good : &caller->bad) += 1;
        caller->slow += took_ms > spike_ms();
        caller->worst_ms = took_ms > caller->worst_ms ? took_ms : caller->worst_ms;
    }
    close(fd);
    return NULL;
}

static void start_callers(struct caller callers[CALLERS], atomic_bool *stop)
{
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ .path = i % 2 ? "/r/17" : "/a/x", .each_new = i == 0, .stop = stop };
        pthread_create(&callers[i].thread, NULL, call, &callers[i]);
    }
}

static bool hears(int fd, const char *text)
{
    char got[64] = "";
    size_t size = 0;
    while (size < strlen(text)) {
        ssize_t part = recv(fd, got + size, strlen(text) - size, 0);
        if (part <= 0)
            return false;
        size += (size_t)part;
    }
    return strcmp(got, text) == 0;
}

static int open_socket(void)
{
    char last[4] = "";
    int fd = dial(edge.port);
    say(fd, "GET /ws/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    while (memcmp(last, "\r\n\r\n", 4) != 0) {
        memmove(last, last + 1, 3);
        cr_assert_eq(recv(fd, last + 3, 1, 0), 1);
    }
    cr_assert(hears(fd, "welcome"));
    return fd;
}

static int sockets_alive(const int fds[SOCKETS])
{
    int alive = 0;
    for (int i = 0; i < SOCKETS; i++) {
        say(fds[i], "still there?");
        alive += hears(fds[i], "still there?");
    }
    return alive;
}

static void reload(int number)
{
    char config[16384], path[32];
    write_config(config, sizeof config, number);
    if (number % 2) {
        edge_process_write(&edge, "%s", config);
        edge_process_signal(&edge, SIGHUP);
    } else {
        char text[20000];
        snprintf(text, sizeof text,
                 "POST /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/yaml\r\nContent-Length: "
                 "%zu\r\n\r\n%s",
                 strlen(config), config);
        char *answer = ask(edge.admin_port, text);
        cr_expect_eq(status_of(answer), 201, "%s", answer);
        free(answer);
    }
    snprintf(path, sizeof path, "/number-%d", number);
    int64_t until = clock_ms() + 30000;
    while (try_get(edge.port, path, "Connection: close\r\n") != 200)
        cr_assert_lt(clock_ms(), until, "the configuration %d does not come into force", number);
}

EDGE_TEST(edge_reload, a_hundred_reloads_under_load_cost_no_request_no_websocket_and_no_latency_spike)
{
    struct caller callers[CALLERS];
    int sockets[SOCKETS];
    atomic_bool stop = false;
    for (int i = 0; i < SOCKETS; i++)
        sockets[i] = open_socket();
    start_callers(callers, &stop);
    for (int i = 1; i <= RELOADS; i++) {
        reload(i);
        if (i % 10 == 0)
            cr_expect_eq(sockets_alive(sockets), SOCKETS, "after reload %d", i);
    }
    stop = true;
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        cr_expect_eq(callers[i].bad, 0, "caller %d: %ld of %ld", i, callers[i].bad, callers[i].good);
        cr_expect_gt(callers[i].good, RELOADS, "caller %d", i);
        /* What a reload costs, it costs beside the loops: one that held them up would be felt as often as there are
         * reloads. A busy machine holds up a request now and then. */
        cr_expect_lt(callers[i].slow, RELOADS / 4, "caller %d: %ld of %ld took more than %lld ms, one %lld", i,
                     callers[i].slow, callers[i].good, (long long)spike_ms(), (long long)callers[i].worst_ms);
    }
    for (int i = 0; i < SOCKETS; i++)
        close(sockets[i]);
}

/* Memory that a configuration took is given back when nobody is on it any more. */
EDGE_TEST(edge_reload, a_hundred_reloads_leave_nothing_behind)
{
    if (edge_process_sanitized())
        return; /* its memory says nothing; a leak it tells itself */
    pid_t workers[PIDS_MAX];
    edge_workers(&edge, workers);
    struct edge_process worker = { .pid = workers[0] };
    for (int i = 1; i <= 20; i++)
        reload(i);
    long before = edge_process_memory(&worker);
    for (int i = 21; i <= 120; i++)
        reload(i);
    cr_expect_lt(edge_process_memory(&worker) - before, 2048, "%ld KiB more", edge_process_memory(&worker) - before);
}
