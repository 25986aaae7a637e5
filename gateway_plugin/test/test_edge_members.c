/* Members that come, go, fall silent and come back, through a real nats-server and the real edge. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "contract/subjects.h"
#include "edge_backend.h"
#include "edge_fixture.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A replica of the service `music`: an HTTP server, and what announces it. */
struct replica {
    struct backend *backend;
    struct nats_proxy *proxy;
    struct bus *bus;
    struct workers *workers;
    struct service *service;
    char http[32], url[64];
    struct pair metadata[2];
};

static struct nats_server nats;
static struct replica one, two;
static struct backend *extra;
static struct edge_process edge;
static struct ctx ctx;
static const struct subject subjects[] = { { 0 } };
static atomic_int questions; /* $SRV.INFO.music, by both processes */

static void replica_start(struct replica *replica, const char *name)
{
    replica->backend = backend_start(name);
    replica->proxy = nats_proxy_create(&nats);
    snprintf(replica->http, sizeof replica->http, "127.0.0.1:%d", backend_port(replica->backend));
    snprintf(replica->url, sizeof replica->url, "nats://127.0.0.1:%d", nats_proxy_port(replica->proxy));
    replica->metadata[0] = (struct pair){ "http", replica->http };
    struct bus_options options = { .url = replica->url, .name = name };
    replica->bus = bus_open(&ctx, &options);
    for (int i = 0; i < 6000 && !bus_up(replica->bus); i++)
        usleep(5000);
    cr_assert(bus_up(replica->bus));
    replica->workers = workers_create(1, 1, 100);
}

static void replica_announce(struct replica *replica)
{
    struct service_options options = { .name = "music",
                                       .version = "1.0.0",
                                       .description = "of a test",
                                       .subjects = subjects,
                                       .metadata = replica->metadata,
                                       .workers = replica->workers };
    cr_assert_not_null(replica->service = service_start(&ctx, replica->bus, &options));
}

static void replica_leave(struct replica *replica)
{
    if (!replica->service)
        return;
    service_stop(replica->service);
    service_destroy(replica->service);
    replica->service = NULL;
}

static void replica_stop(struct replica *replica)
{
    replica_leave(replica);
    bus_close(replica->bus, 100);
    workers_destroy(replica->workers);
    nats_proxy_destroy(replica->proxy);
    backend_stop(replica->backend);
}

static void write_file_members(const char *targets)
{
    edge_process_write(&edge,
                       "_format_version: '3.0'\n"
                       "upstreams: [{name: file, targets: [%s]}]\n"
                       "services: [{name: f, host: file, routes: [{name: f, paths: [/file]}]}]\n",
                       targets);
    edge_process_signal(&edge, SIGHUP);
}

static char *targets_of(const struct backend *a, const struct backend *b, int weight)
{
    return arena_printf(&ctx.arena, "{target: '127.0.0.1:%d'}, {target: '127.0.0.1:%d', weight: %d}", backend_port(a),
                        backend_port(b), weight);
}

static void on_question(void *self, const char *subject, const char *data, size_t size)
{
    (void)self, (void)subject, (void)data, (void)size;
    atomic_fetch_add(&questions, 1);
}

/* The number of who answered; -1: nobody did. */
static int who(const char *path)
{
    char *answer = get(edge.port, path, "");
    const char *at = strstr(body_of(answer), "member: m");
    int out = at ? at[9] - '0' : -1;
    free(answer);
    return out;
}

/* Both of its processes have found the first member: each looks by itself. */
static void wait_until_found(void)
{
    int64_t until = clock_ms() + 30000;
    for (int i = 0; i < 16; i = who("/music/x") == 0 ? i + 1 : 0)
        cr_assert(clock_ms() < until, "%s", edge_process_log(&edge));
}

static void setup(void)
{
    char url[80];
    nats_server_create(&nats, NULL);
    replica_start(&one, "m0");
    cr_assert(bus_listen(&ctx, one.bus, "$SRV.INFO.music", on_question, NULL));
    replica_start(&two, "m1");
    extra = backend_start("m2");
    replica_announce(&one);
    snprintf(url, sizeof url, "NATS_URL=%s", nats.url);
    edge_process_start(&edge, (const char *const[]){ url, "EDGE_PROCESSES=2", "EDGE_THREADS=2", NULL },
                       "_format_version: '3.0'\n"
                       "upstreams:\n"
                       "  - {name: music, targets: [{target: 'nats:music'}]}\n"
                       "  - {name: file, targets: [%s]}\n"
                       "services:\n"
                       "  - {name: m, host: music, routes: [{name: m, paths: [/music]}]}\n"
                       "  - {name: f, host: file, routes: [{name: f, paths: [/file]}]}\n",
                       targets_of(one.backend, extra, 100));
    wait_until_found();
}

static void teardown(void)
{
    edge_process_stop(&edge);
    replica_stop(&one);
    replica_stop(&two);
    backend_stop(extra);
    nats_server_destroy(&nats);
    ctx_finish(&ctx);
}

TestSuite(edge_members, .timeout = 120);

/* Asks until this member answers; how long it took, -1: longer than `ms`. All requests are answered. */
static int64_t until_asked(const char *path, int member, int ms)
{
    int64_t began = clock_ms();
    for (; clock_ms() - began < ms; usleep(5000)) {
        int answered = who(path);
        cr_expect_geq(answered, 0);
        if (answered == member)
            return clock_ms() - began;
    }
    return -1;
}

/* The same where there may be nobody yet. */
static int64_t until_asked_where_served(const char *path, int member)
{
    int64_t began = clock_ms();
    while (who(path) != member && clock_ms() - began < 30000)
        usleep(5000);
    return who(path) == member ? clock_ms() - began : -1;
}

/* Both processes have looked: of 16 requests none is this member's. */
static bool is_gone(const char *path, int member)
{
    for (int i = 0; i < 16; i++)
        if (who(path) == member)
            return false;
    return true;
}

static int64_t until_gone(const char *path, int member, int ms)
{
    int64_t began = clock_ms();
    for (; !is_gone(path, member); usleep(10000))
        if (clock_ms() - began > ms)
            return -1;
    return clock_ms() - began;
}

static int logged(const char *words)
{
    int count = 0;
    char *log = edge_process_log(&edge);
    for (const char *at = log; (at = strstr(at, words)); at++, count++)
        continue;
    free(log);
    return count;
}

static bool both_know_both(void *self)
{
    (void)self;
    return logged("a member has come") == 4;
}

EDGE_TEST(edge_members, a_replica_that_starts_is_asked_within_a_second)
{
    cr_expect_eq(who("/music/x"), 0);
    replica_announce(&two);
    int before = questions;
    int64_t took = until_asked("/music/x", 1, 30000);
    cr_expect_geq(took, 0);
    /* Two rounds of two processes, and as many while this one is asked: counted, because a busy machine has its own
     * time. */
    cr_expect_leq(questions - before, 8, "%d ms", (int)took);
}

struct slow {
    pthread_t thread;
    int status;
};

static void *ask_slowly(void *self)
{
    struct slow *slow = self;
    char *answer = get(edge.port, "/music/stall?ms=1200", "");
    slow->status = status_of(answer);
    free(answer);
    return NULL;
}

/* It still answers NATS: so it is its word that counts, and not its silence. */
static void say_leave(const struct replica *replica)
{
    char *text = arena_printf(&ctx.arena, "{\"id\":\"%s\"}", bus_instance(replica->bus));
    cr_assert(bus_publish(&ctx, replica->bus, SUBJECT_LEAVE, text, strlen(text)));
}

EDGE_TEST(edge_members, one_that_says_so_is_gone_at_once_and_what_it_has_begun_ends)
{
    enum { SLOW = 8 };
    struct slow slow[SLOW];
    replica_announce(&two);
    cr_assert(eventually(30000, both_know_both, NULL), "%s", edge_process_log(&edge));
    long before = backend_requests(two.backend);
    for (int i = 0; i < SLOW; i++)
        pthread_create(&slow[i].thread, NULL, ask_slowly, &slow[i]);
    for (int64_t until = clock_ms() + 30000; backend_requests(two.backend) == before && clock_ms() < until;)
        usleep(2000);
    cr_assert_gt(backend_requests(two.backend), before, "%ld at the other, %s", backend_requests(one.backend),
                 edge_process_log(&edge));
    say_leave(&two);
    cr_expect_geq(until_gone("/music/x", 1, 30000), 0);
    for (int i = 0; i < SLOW; i++) {
        pthread_join(slow[i].thread, NULL);
        cr_expect_eq(slow[i].status, 200);
    }
    cr_expect_gt(backend_connections(two.backend), 0);
    for (int64_t until = calm_ms() + 3000; backend_open(two.backend) && calm_ms() < until;)
        usleep(5000);
    cr_expect_eq(backend_open(two.backend), 0, "its connections are not kept");
}

EDGE_TEST(edge_members, one_that_falls_silent_is_gone_after_two_rounds_in_which_the_other_answered)
{
    replica_announce(&two);
    cr_assert_geq(until_asked("/music/x", 1, 30000), 0);
    nats_proxy_cut(two.proxy, true);
    int64_t took = until_gone("/music/x", 1, 30000);
    cr_expect_geq(took, 400, "%d ms", (int)took);
    nats_proxy_cut(two.proxy, false);
    cr_expect_geq(until_asked("/music/x", 1, 30000), 0, "it comes back");
}

/* After more than two rounds: all requests are answered meanwhile. */
static void stay_both(void)
{
    unsigned seen = 0;
    int64_t settled = clock_ms() + 2000, until = settled + 30000;
    for (; seen != 3 && clock_ms() < until; usleep(10000)) {
        int answered = who("/music/x");
        cr_assert_geq(answered, 0);
        seen = clock_ms() > settled ? seen | 1U << answered : 0;
    }
    cr_expect_eq(seen, 3U, "both are asked still");
}

/* Each configuration has its members asked for at once. That must not be the end of the others' half a second. */
EDGE_TEST(edge_members, reloads_take_nobody_away_who_answers_more_slowly_than_the_other)
{
    replica_announce(&two);
    cr_assert_geq(until_asked("/music/x", 1, 30000), 0);
    nats_proxy_delay(two.proxy, 40);
    for (int64_t until = clock_ms() + 30000; logged("the configuration was read again") < 40 && clock_ms() < until;) {
        edge_process_signal(&edge, SIGHUP);
        usleep(20000);
    }
    cr_expect_geq(logged("the configuration was read again"), 40);
    cr_expect_eq(logged("a member has gone"), 0);
    cr_expect_geq(until_asked("/music/x", 1, 30000), 0);
}

EDGE_TEST(edge_members, an_outage_of_nats_takes_nobody_away)
{
    replica_announce(&two);
    cr_assert_geq(until_asked("/music/x", 1, 30000), 0);
    nats_server_signal(&nats, SIGKILL);
    stay_both();
    nats_server_start(&nats);
}

EDGE_TEST(edge_members, the_silence_of_all_takes_nobody_away)
{
    replica_announce(&two);
    cr_assert_geq(until_asked("/music/x", 1, 30000), 0);
    nats_proxy_cut(one.proxy, true);
    nats_proxy_cut(two.proxy, true);
    stay_both();
    nats_proxy_cut(one.proxy, false);
    nats_proxy_cut(two.proxy, false);
}

static int open_tunnel(const char *path)
{
    char text[512], heard[4096];
    size_t size = 0;
    int fd = dial(edge.port);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
             path);
    say(fd, text);
    do {
        ssize_t got = recv(fd, heard + size, sizeof heard - 1 - size, 0);
        cr_assert_gt(got, 0);
        size += (size_t)got;
        heard[size] = 0;
    } while (!strstr(heard, "welcome"));
    return fd;
}

EDGE_TEST(edge_members, a_target_that_leaves_the_file_is_drained)
{
    int tunnels[4];
    char word[8];
    for (int i = 0; i < 4; i++)
        tunnels[i] = open_tunnel("/file/socket");
    cr_assert_geq(until_asked("/file/x", 2, 30000), 0);
    char target[64];
    snprintf(target, sizeof target, "{target: '127.0.0.1:%d'}", backend_port(one.backend));
    write_file_members(target);
    cr_expect_geq(until_gone("/file/x", 2, 30000), 0);
    for (int i = 0; i < 4; i++) {
        say(tunnels[i], "more");
        cr_expect_eq(recv(tunnels[i], word, 4, MSG_WAITALL), 4);
        close(tunnels[i]);
    }
    for (int64_t until = calm_ms() + 3000; backend_open(extra) && calm_ms() < until;)
        usleep(5000);
    cr_expect_eq(backend_open(extra), 0);
}

EDGE_TEST(edge_members, a_weight_of_nothing_takes_no_more_requests)
{
    cr_assert_geq(until_asked("/file/x", 2, 30000), 0);
    write_file_members(targets_of(one.backend, extra, 0));
    cr_expect_geq(until_gone("/file/x", 2, 30000), 0);
    write_file_members(targets_of(one.backend, extra, 100));
    cr_expect_geq(until_asked("/file/x", 2, 30000), 0);
}

/* Without probes: requests find out. */
EDGE_TEST(edge_members, a_target_that_died_costs_no_request_and_is_asked_again_when_it_is_back)
{
    int port = backend_port(extra);
    cr_assert_geq(until_asked("/file/x", 2, 30000), 0);
    backend_stop(extra);
    for (int64_t until = clock_ms() + 1500; clock_ms() < until; usleep(5000))
        cr_assert_geq(who("/file/x"), 0);
    cr_expect(is_gone("/file/x", 2));
    extra = backend_start_on("m2", port);
    int64_t took = until_asked("/file/x", 2, 30000);
    cr_expect_geq(took, 0);
}

EDGE_TEST(edge_members, a_new_target_starts_slowly)
{
    static const char format[] = "_format_version: '3.0'\n"
                                 "upstreams: [{name: file, slow_start: 60, targets: [{target: '127.0.0.1:%d'}%s]}]\n"
                                 "services: [{name: f, host: file, routes: [{name: f, paths: [/slow]}]}]\n";
    char more[64];
    edge_process_write(&edge, format, backend_port(one.backend), "");
    edge_process_signal(&edge, SIGHUP);
    cr_assert_geq(until_asked_where_served("/slow/x", 0), 0);
    usleep(2100000); /* who comes sooner was there from the beginning */
    snprintf(more, sizeof more, ", {target: '127.0.0.1:%d'}", backend_port(extra));
    edge_process_write(&edge, format, backend_port(one.backend), more);
    edge_process_signal(&edge, SIGHUP);
    cr_assert_geq(until_asked("/slow/x", 2, 30000), 0);
    int asked = 0;
    for (int i = 0; i < 60; i++)
        asked += who("/slow/x") == 2;
    cr_expect(asked >= 1 && asked <= 20, "%d of 60: half would be 30", asked);
}
