/* One thread for all connections through it: they are few, and this is a test. */
#include "nats/nats_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 16, TICK_MS = 5 };

struct nats_proxy {
    int listener, port, target;
    int pairs[PAIRS][2]; /* -1 = free */
    int delay_us;        /* by __atomic, as these */
    bool cut, stopping;
    pthread_t thread;
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void close_pair(int pair[2])
{
    for (int side = 0; side < 2; side++) {
        if (pair[side] >= 0)
            close(pair[side]);
        pair[side] = -1;
    }
}

static void take_one(struct nats_proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(proxy->target);
    bool good = client >= 0 && !__atomic_load_n(&proxy->cut, __ATOMIC_SEQ_CST) &&
                connect(server, (struct sockaddr *)&address, sizeof address) == 0;
    for (int i = 0; good && i < PAIRS; i++) {
        if (proxy->pairs[i][0] >= 0)
            continue;
        proxy->pairs[i][0] = client;
        proxy->pairs[i][1] = server;
        return;
    }
    close_pair((int[2]){ client, server });
}

/* false: one of the two has gone. */
static bool move(int from, int to)
{
    char buffer[65536];
    ssize_t got = recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
    return got > 0 && send(to, buffer, (size_t)got, MSG_NOSIGNAL) == got;
}

static void move_pair(const struct nats_proxy *proxy, int pair[2])
{
    int delay_us = __atomic_load_n(&proxy->delay_us, __ATOMIC_SEQ_CST);
    struct pollfd fds[2] = { { pair[0], POLLIN, 0 }, { pair[1], POLLIN, 0 } };
    if (pair[0] < 0 || poll(fds, 2, 0) <= 0)
        return;
    if (delay_us)
        usleep((unsigned)delay_us);
    for (int side = 0; side < 2; side++)
        if (fds[side].revents && !move(pair[side], pair[!side])) {
            close_pair(pair);
            return;
        }
}

static void wait_for_any(const struct nats_proxy *proxy)
{
    struct pollfd fds[1 + 2 * PAIRS] = { { proxy->listener, POLLIN, 0 } };
    for (int i = 0; i < 2 * PAIRS; i++)
        fds[1 + i] = (struct pollfd){ proxy->pairs[i / 2][i % 2], POLLIN, 0 };
    poll(fds, 1 + 2 * PAIRS, TICK_MS);
}

static void *run(void *closure)
{
    struct nats_proxy *proxy = closure;
    while (!__atomic_load_n(&proxy->stopping, __ATOMIC_SEQ_CST)) {
        wait_for_any(proxy);
        struct pollfd listener = { proxy->listener, POLLIN, 0 };
        if (poll(&listener, 1, 0) > 0)
            take_one(proxy);
        for (int i = 0; i < PAIRS; i++)
            if (__atomic_load_n(&proxy->cut, __ATOMIC_SEQ_CST))
                close_pair(proxy->pairs[i]);
            else
                move_pair(proxy, proxy->pairs[i]);
    }
    return NULL;
}

struct nats_proxy *nats_proxy_create(const struct nats_server *server)
{
    struct nats_proxy *proxy = calloc(1, sizeof *proxy);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    proxy->target = server->port;
    memset(proxy->pairs, -1, sizeof proxy->pairs);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(proxy->listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(proxy->listener, (struct sockaddr *)&address, &size), 0);
    cr_assert_eq(listen(proxy->listener, 16), 0);
    proxy->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

int nats_proxy_port(const struct nats_proxy *proxy)
{
    return proxy->port;
}

void nats_proxy_cut(struct nats_proxy *proxy, bool cut)
{
    __atomic_store_n(&proxy->cut, cut, __ATOMIC_SEQ_CST);
}

void nats_proxy_delay(struct nats_proxy *proxy, int ms)
{
    __atomic_store_n(&proxy->delay_us, ms * 1000, __ATOMIC_SEQ_CST);
}

void nats_proxy_destroy(struct nats_proxy *proxy)
{
    __atomic_store_n(&proxy->stopping, true, __ATOMIC_SEQ_CST);
    pthread_join(proxy->thread, NULL);
    for (int i = 0; i < PAIRS; i++)
        close_pair(proxy->pairs[i]);
    close(proxy->listener);
    free(proxy);
}
