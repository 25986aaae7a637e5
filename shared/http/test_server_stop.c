/* A server that stops loses nothing that it has begun. */
#include "http/test_service.h"

#include "base/calm_clock.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

TestSuite(stop, .init = service_prepare, .fini = service_end);

static void wait_begun(int count)
{
    int64_t until = clock_ms() + 10000;
    while (atomic_load(&service.begun) < count && clock_ms() < until)
        poll(NULL, 0, 2);
    cr_assert_geq(atomic_load(&service.begun), count);
}

struct load {
    pthread_t thread;
    const char *path;
    atomic_int answered, broken;
};

/* Keeps a connection until the server says close, then dials again until nobody listens. */
static void *load_run(void *self)
{
    struct load *load = self;
    for (;;) {
        int fd = dial(service.server);
        bool closing = false;
        while (!closing) {
            put(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", load->path);
            struct reply reply = take(fd, false);
            atomic_fetch_add(reply.status == 200 ? &load->answered : &load->broken, 1);
            const char *connection = reply.status ? strstr(reply.head, "Connection: close") : "";
            closing = connection != NULL;
            free_reply(&reply);
        }
        close(fd);
        if (atomic_load(&service.gate_open))
            return NULL;
    }
}

Test(stop, finishes_what_has_begun_under_load)
{
    enum { CLIENTS = 8 };
    static struct load loads[CLIENTS];
    service_start();
    for (int i = 0; i < CLIENTS; i++) {
        loads[i].path = i % 2 ? "/public/loop" : i % 4 ? "/slow" : "/public/a";
        pthread_create(&loads[i].thread, NULL, load_run, &loads[i]);
    }
    poll(NULL, 0, 500);
    for (int i = 0; i < CLIENTS; i++)
        while (!atomic_load(&loads[i].answered) && !atomic_load(&loads[i].broken))
            poll(NULL, 0, 5);
    atomic_store(&service.gate_open, true); /* nobody dials again */
    int64_t begin = calm_ms();
    server_stop(service.server, 5000);
    cr_expect_lt(calm_ms() - begin, 3000);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(loads[i].thread, NULL);
        cr_expect_gt(atomic_load(&loads[i].answered), 0);
        cr_expect_eq(atomic_load(&loads[i].broken), 0, "%s lost %d", loads[i].path, atomic_load(&loads[i].broken));
    }
}

Test(stop, closes_its_listeners_and_idle_connections)
{
    service_start();
    int idle = dial(service.server);
    put(idle, "GET /public/a HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply reply = take(idle, false);
    cr_expect_eq(reply.status, 200);
    free_reply(&reply);
    server_stop(service.server, 5000);
    cr_expect(is_closed(idle, 5000)); /* ten seconds would end it anyway */
    close(idle);
    struct ctx ctx = { 0 };
    struct metrics *metrics = metrics_create();
    struct server_options options = service.options;
    options.listen = server_address(service.server);
    options.metrics = metrics;
    struct server *next = server_start(&ctx, &options);
    cr_expect_not_null(next, "the address is free again");
    server_destroy(next);
    metrics_destroy(metrics);
    ctx_finish(&ctx);
}

static void *stop_run(void *none)
{
    server_stop(service.server, 30000);
    return none;
}

/* Until it has begun to stop: nobody is let in any more. */
static void wait_until_it_stops(void)
{
    for (int fd; (fd = try_dial(service.server)) >= 0; poll(NULL, 0, 5))
        close(fd);
}

Test(stop, answers_a_request_that_is_on_its_way)
{
    service_start();
    int half = dial(service.server), gate = dial(service.server);
    put(half, "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo");
    put(gate, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_begun(1);
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_run, NULL);
    wait_until_it_stops();
    put(half, "dy");
    atomic_store(&service.gate_open, true);
    pthread_join(stopper, NULL);
    struct reply reply = take(half, false);
    cr_expect_eq(reply.status, 200);
    free_reply(&reply);
    reply = take(gate, false);
    cr_expect_eq(reply.status, 200);
    free_reply(&reply);
    close(half);
    close(gate);
}

Test(stop, has_a_limit)
{
    service_start();
    int stuck = dial(service.server), reader = dial(service.server), piped = dial(service.server),
        idle = dial(service.server);
    int small = 4096;
    setsockopt(reader, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    put(stuck, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    put(reader, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    put(piped, "GET /piped?count=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_begun(1);
    poll(NULL, 0, 100);
    int64_t begin = clock_ms(), calm = calm_ms();
    server_stop(service.server, 700);
    cr_expect_geq(clock_ms() - begin, 690);
    cr_expect_lt(calm_ms() - calm, 2000);
    cr_expect(is_closed(idle, 5000));
    cr_expect(is_closed(stuck, 5000));
    atomic_store(&service.gate_open, true); /* its worker ends; the client has lost its connection */
    calm = calm_ms();
    workers_destroy(service.workers);
    server_destroy(service.server);
    cr_expect_lt(calm_ms() - calm, 2000);
    service.workers = workers_create(1, 0, 1);
    service.server = NULL;
    close(stuck);
    close(reader);
    close(piped);
    close(idle);
}

Test(stop, is_told_by_ready)
{
    service_start();
    int gate = dial(service.server), asking = dial(service.server);
    put(gate, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    put(asking, "GET /ready HTTP/1.1\r\nHost: x\r\n");
    wait_begun(1);
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_run, NULL);
    wait_until_it_stops();
    put(asking, "\r\n");
    struct reply reply = take(asking, false);
    cr_expect_eq(reply.status, 503);
    cr_expect(strstr(reply.body, "\"status\":\"STOPPING\""), "%s", reply.body);
    cr_expect_str_eq(reply_header(&reply, "connection"), "close");
    free_reply(&reply);
    atomic_store(&service.gate_open, true);
    pthread_join(stopper, NULL);
    close(gate);
    close(asking);
}
