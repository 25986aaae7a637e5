#include "edge_backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_ROOM = 128 * 1024 };

struct backend {
    const char *name;
    int fd, port;
    pthread_t thread;
    atomic_bool stopping;
    atomic_long requests, connections, body_bytes, open;
    pthread_mutex_t lock;
    char last_head[HEAD_ROOM];
};

/* A request being answered. */
struct call {
    struct backend *backend;
    int fd;
    char head[HEAD_ROOM];
    size_t head_size, read; /* read: bytes in head[], the body's beginning among them */
    size_t body_size;
    long number; /* of the request on this connection */
    bool close;
};

static void send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

static void send_text(struct call *call, const char *text)
{
    send_all(call->fd, text, strlen(text));
}

static size_t body_length(const struct call *call)
{
    const char *at = strcasestr(call->head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void read_body(struct call *call)
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

static long number_after(const struct call *call, const char *key)
{
    const char *at = strstr(call->head, key);
    return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

static void answer(struct call *call, const char *headers, const char *body)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n",
             strlen(body), headers);
    send_text(call, head);
    send_text(call, body);
}

static void do_echo(struct call *call)
{
    char *body = malloc(call->head_size + 128);
    read_body(call);
    snprintf(body, call->head_size + 128, "member: %s\nbody: %zu\n%.*s", call->backend->name, call->body_size,
             (int)call->head_size, call->head);
    answer(call, "", body);
    free(body);
}

static void do_stall(struct call *call)
{
    usleep((useconds_t)number_after(call, "ms=") * 1000);
    read_body(call);
    answer(call, "", "late");
}

static void do_close(struct call *call)
{
    call->close = true;
}

/* Once a connection has carried a request, the next one on it is met by silence. */
static void do_close_second(struct call *call)
{
    read_body(call);
    call->close = call->number > 1;
    if (!call->close)
        answer(call, "", call->backend->name);
}

/* Answers, and closes without having said so. */
static void do_close_after(struct call *call)
{
    read_body(call);
    answer(call, "", call->backend->name);
    call->close = true;
}

static void do_short(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    call->close = true;
}

static void do_long(struct call *call)
{
    send_text(call,
              "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
}

static void do_chunked(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n");
    usleep(20000);
    send_text(call, "6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n");
}

static void do_chunked_404(struct call *call)
{
    send_text(call, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n0\r\n\r\n");
}

static void do_chunked_broken(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX6\r\n world\r\n0\r\n\r\n");
}

static void do_chunked_cut(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    call->close = true;
}

static void do_until_close(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end");
    call->close = true;
}

static void do_interim(struct call *call)
{
    send_text(call, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    usleep(20000);
    answer(call, "", "final");
}

static void do_headers(struct call *call)
{
    answer(call,
           "Connection: X-Private, close\r\nX-Private: secret\r\nX-Public: yes\r\nKeep-Alive: "
           "timeout=5\r\nX-Tonearm-Edge: leak\r\n"
           "Proxy-Authenticate: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
           "");
    call->close = true;
}

/* Refuses before the body is there, and reads none of it. */
static void do_early(struct call *call)
{
    send_text(call, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge");
    usleep(100000);
    call->close = true;
}

static void do_big(struct call *call)
{
    static const char zeros[65536];
    char head[128];
    long size = number_after(call, "n=");
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", size);
    send_text(call, head);
    for (; size > 0 && !call->backend->stopping; size -= (long)sizeof zeros)
        send_all(call->fd, zeros, size < (long)sizeof zeros ? (size_t)size : sizeof zeros);
}

static void do_drip(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        usleep((useconds_t)number_after(call, "ms=") * 1000);
        send_text(call, "x");
    }
}

static bool peer_gone(int fd)
{
    char byte;
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    return poll(&poller, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static void do_events(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 200 && !peer_gone(call->fd) && !call->backend->stopping; i++) {
        if (i % 10 == 0)
            send_text(call, "d\r\ndata: event\n\n\r\n");
        usleep(10000);
    }
    call->close = true;
}

/* Agrees, says a word at once, and then repeats what it hears. */
static void do_socket(struct call *call)
{
    char scratch[4096];
    send_text(call,
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
              "abc\r\n\r\nwelcome");
    for (ssize_t got; (got = recv(call->fd, scratch, sizeof scratch, 0)) > 0;)
        send_all(call->fd, scratch, (size_t)got);
    call->close = true;
}

static void do_status(struct call *call)
{
    char text[128];
    read_body(call);
    snprintf(text, sizeof text, "HTTP/1.1 %ld Status\r\nContent-Length: 0\r\n\r\n", number_after(call, "code="));
    send_text(call, text);
}

static void do_garbage(struct call *call)
{
    send_text(call, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    call->close = true;
}

static void do_huge_head(struct call *call)
{
    send_text(call, "HTTP/1.1 200 OK\r\nX: ");
    char part[1024];
    memset(part, 'x', sizeof part);
    for (int i = 0; i < 64; i++)
        send_all(call->fd, part, sizeof part);
    send_text(call, "\r\nContent-Length: 0\r\n\r\n");
}

static const struct {
    const char *path;
    void (*act)(struct call *call);
} acts[] = {
    { "/stall", do_stall },
    { "/close-second", do_close_second },
    { "/close-after", do_close_after },
    { "/close", do_close },
    { "/short", do_short },
    { "/long", do_long },
    { "/chunked-404", do_chunked_404 },
    { "/chunked-broken", do_chunked_broken },
    { "/chunked-cut", do_chunked_cut },
    { "/chunked", do_chunked },
    { "/until-close", do_until_close },
    { "/interim", do_interim },
    { "/headers", do_headers },
    { "/early", do_early },
    { "/big", do_big },
    { "/drip", do_drip },
    { "/events", do_events },
    { "/status", do_status },
    { "/garbage", do_garbage },
    { "/huge-head", do_huge_head },
    { "/socket", do_socket },
};

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
    for (size_t i = 0; path && i < sizeof acts / sizeof *acts; i++) {
        if (strncmp(path + 1, acts[i].path, strlen(acts[i].path)) == 0) {
            acts[i].act(call);
            return;
        }
    }
    do_echo(call);
}

static void *serve(void *self)
{
    struct call *call = self;
    while (!call->close && !call->backend->stopping && read_head(call)) {
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
    struct backend *backend = calloc(1, sizeof *backend);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    backend->name = name;
    pthread_mutex_init(&backend->lock, NULL);
    backend->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
