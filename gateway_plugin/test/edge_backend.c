#include "edge_backend_parts.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

void call_send_all(struct call *call, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(call->fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

void call_send(struct call *call, const char *text)
{
    call_send_all(call, text, strlen(text));
}

static size_t body_length(const struct call *call)
{
    const char *at = strcasestr(call->head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

void call_read_body(struct call *call)
{
    char scratch[65536];
    size_t got = call->read - call->head_size;
    atomic_fetch_add(&call->backend->body_bytes, (long)got);
    while (got < call->body_size) {
        ssize_t part = recv(call->fd, scratch, sizeof scratch, 0);
        if (part <= 0)
            break;
        got += (size_t)part;
        atomic_fetch_add(&call->backend->body_bytes, part);
    }
}

long call_number(const struct call *call, const char *key)
{
    const char *at = strstr(call->head, key);
    return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

void call_answer(struct call *call, const char *headers, const char *body)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n",
             strlen(body), headers);
    call_send(call, head);
    if (strncmp(call->head, "HEAD ", 5) != 0)
        call_send(call, body);
}

bool call_peer_gone(const struct call *call)
{
    char byte;
    struct pollfd poller = { .fd = call->fd, .events = POLLIN };
    return poll(&poller, 1, 0) == 1 && recv(call->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static bool read_head(struct call *call)
{
    call->read = call->head_size = 0;
    call->head[0] = 0;
    while (call->read < sizeof call->head - 1) {
        ssize_t got = recv(call->fd, call->head + call->read, sizeof call->head - 1 - call->read, 0);
        if (got <= 0)
            return false;
        call->read += (size_t)got;
        call->head[call->read] = 0;
        const char *end = strstr(call->head, "\r\n\r\n");
        if (end) {
            call->head_size = (size_t)(end - call->head) + 4;
            call->body_size = body_length(call);
            return true;
        }
    }
    return false;
}

static void note(struct call *call)
{
    struct backend *backend = call->backend;
    atomic_fetch_add(&backend->requests, 1);
    pthread_mutex_lock(&backend->lock);
    memcpy(backend->last_head, call->head, call->head_size);
    backend->last_head[call->head_size] = 0;
    pthread_mutex_unlock(&backend->lock);
    call->number++;
}

static void act(struct call *call)
{
    const char *path = strchr(call->head, ' ');
    const struct act *const tables[] = { whole_acts, body_acts };
    for (size_t i = 0; path && i < sizeof tables / sizeof *tables; i++) {
        for (const struct act *row = tables[i]; row->path; row++) {
            if (strncmp(path + 1, row->path, strlen(row->path)) == 0) {
                row->act(call);
                return;
            }
        }
    }
    act_echo(call);
}

/* false: it is stopped while nothing is asked. */
static bool wait_for_request(const struct call *call)
{
    struct pollfd poller = { .fd = call->fd, .events = POLLIN };
    for (int i = 0; i < 500 && !call->backend->stopping; i++)
        if (poll(&poller, 1, 20) == 1)
            return true;
    return false;
}

static void *serve(void *self)
{
    struct call *call = self;
    while (!call->close && wait_for_request(call) && read_head(call)) {
        note(call);
        act(call);
    }
    close(call->fd);
    atomic_fetch_sub(&call->backend->open, 1);
    free(call);
    return NULL;
}

static void *accept_all(void *self)
{
    struct backend *backend = self;
    while (!backend->stopping) {
        struct pollfd poller = { .fd = backend->fd, .events = POLLIN };
        if (poll(&poller, 1, 20) != 1)
            continue;
        int on = 1, fd = accept(backend->fd, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = { .tv_sec = 10 };
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        atomic_fetch_add(&backend->connections, 1);
        atomic_fetch_add(&backend->open, 1);
        struct call *call = calloc(1, sizeof *call);
        call->backend = backend;
        call->fd = fd;
        pthread_t thread;
        pthread_create(&thread, NULL, serve, call);
        pthread_detach(thread);
    }
    return NULL;
}

struct backend *backend_start(const char *name)
{
    return backend_start_on(name, 0);
}

struct backend *backend_start_on(const char *name, int port)
{
    struct backend *backend = calloc(1, sizeof *backend);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int on = 1;
    backend->name = name;
    backend->health = 200;
    pthread_mutex_init(&backend->lock, NULL);
    backend->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(backend->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(backend->fd, (struct sockaddr *)&address, size) != 0 || listen(backend->fd, 512) != 0)
        abort();
    getsockname(backend->fd, (struct sockaddr *)&address, &size);
    backend->port = ntohs(address.sin_port);
    pthread_create(&backend->thread, NULL, accept_all, backend);
    return backend;
}

void backend_stop(struct backend *backend)
{
    backend->stopping = true;
    pthread_join(backend->thread, NULL);
    close(backend->fd);
    /* Its connections end with the edge, or with the process. */
    for (int i = 0; i < 100 && backend->open; i++)
        usleep(10000);
    if (!backend->open)
        free(backend);
}

int backend_port(const struct backend *backend)
{
    return backend->port;
}

long backend_requests(const struct backend *backend)
{
    return backend->requests;
}

long backend_connections(const struct backend *backend)
{
    return backend->connections;
}

long backend_open(const struct backend *backend)
{
    return backend->open;
}

long backend_body_bytes(const struct backend *backend)
{
    return backend->body_bytes;
}

void backend_last_head(struct backend *backend, char *out, size_t room)
{
    pthread_mutex_lock(&backend->lock);
    snprintf(out, room, "%s", backend->last_head);
    pthread_mutex_unlock(&backend->lock);
}

void backend_set_health(struct backend *backend, int status)
{
    backend->health = status;
}

long backend_health_asked(const struct backend *backend)
{
    return backend->health_asked;
}

long backend_health_at_once(const struct backend *backend)
{
    return backend->health_at_once;
}
