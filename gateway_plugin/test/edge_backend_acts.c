/* Whole answers of the member, late ones, none, and connections that end. */
#include "edge_backend_parts.h"

#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

void act_echo(struct call *call)
{
    char *body = malloc(call->head_size + 128);
    call_read_body(call);
    snprintf(body, call->head_size + 128, "member: %s\nbody: %zu\n%.*s", call->backend->name, call->body_size,
             (int)call->head_size, call->head);
    call_answer(call, "", body);
    free(body);
}

static void do_stall(struct call *call)
{
    usleep((useconds_t)call_number(call, "ms=") * 1000);
    call_read_body(call);
    call_answer(call, "", "late");
}

/* One of them is slow. */
static void do_slow_at(struct call *call)
{
    const char *at = strstr(call->head, "-at-");
    if (strncmp(at + 4, call->backend->name, strlen(call->backend->name)) == 0)
        usleep(200000);
    act_echo(call);
}

static void do_close(struct call *call)
{
    call->close = true;
}

/* Once a connection has carried a request, the next one on it is met by silence. */
static void do_close_second(struct call *call)
{
    call_read_body(call);
    call->close = call->number > 1;
    if (!call->close)
        call_answer(call, "", call->backend->name);
}

/* Answers, and closes without having said so. */
static void do_close_after(struct call *call)
{
    call_read_body(call);
    call_answer(call, "", call->backend->name);
    call->close = true;
}

/* Closes when nothing has been asked for `ms=`. */
static void do_close_idle(struct call *call)
{
    struct pollfd poller = { .fd = call->fd, .events = POLLIN };
    call_read_body(call);
    call_answer(call, "", call->backend->name);
    call->close = poll(&poller, 1, (int)call_number(call, "ms=")) == 0;
}

static void do_headers(struct call *call)
{
    call_answer(call,
                "Connection: X-Private, close\r\nX-Private: secret\r\nX-Public: yes\r\nKeep-Alive: "
                "timeout=5\r\nX-Tonearm-Edge: leak\r\n"
                "Proxy-Authenticate: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
                "");
    call->close = true;
}

static void do_cors(struct call *call)
{
    call_answer(call,
                "Access-Control-Allow-Origin: http://service.example\r\nAccess-Control-Expose-Headers: X-Other\r\n"
                "Access-Control-Allow-Credentials: true\r\n",
                "");
}

static void do_status(struct call *call)
{
    char text[128];
    call_read_body(call);
    snprintf(text, sizeof text, "HTTP/1.1 %ld Status\r\nContent-Length: 0\r\n\r\n", call_number(call, "code="));
    call_send(call, text);
}

static void do_health(struct call *call)
{
    struct backend *backend = call->backend;
    int status = backend->health;
    char text[128];
    long open = atomic_fetch_add(&backend->health_open, 1) + 1;
    if (open > backend->health_at_once)
        backend->health_at_once = open;
    atomic_fetch_add(&backend->health_asked, 1);
    if (status < 0)
        usleep((useconds_t)-status * 1000);
    atomic_fetch_sub(&backend->health_open, 1);
    snprintf(text, sizeof text, "HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n", status > 0 ? status : 200);
    if (status)
        call_send(call, text);
    call->close = true;
}

/* The body as it came, up to what fits. */
static void do_mirror(struct call *call)
{
    static const size_t most = 60000;
    size_t size = call->body_size < most ? call->body_size : most, got = call->read - call->head_size;
    char *body = calloc(1, size + 1);
    memcpy(body, call->head + call->head_size, got < size ? got : size);
    for (ssize_t part; got < size && (part = recv(call->fd, body + got, size - got, 0)) > 0;)
        got += (size_t)part;
    call_answer(call, "", body);
    free(body);
}

/* Of gomicro's auth: is the key in x-api-key good? What the key is called says what happens. */
static void do_verify(struct call *call)
{
    static const char refusal[] = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n"
                                  "{\"message\":\"not yours\"}";
    const char *key = strcasestr(call->head, "\r\nx-api-key: ");
    char text[256];
    key = key ? key + 13 : "";
    if (strncmp(key, "slow", 4) == 0)
        usleep((useconds_t)call_number(call, "slow-") * 1000);
    if (strncmp(key, "large", 5) == 0) {
        char *large = calloc(1, 100001);
        memset(large, 'x', 100000);
        call_answer(call, "", large);
        free(large);
    } else if (strncmp(key, "broken", 6) == 0) {
        call->close = true;
    } else if (strncmp(key, "good", 4) == 0 || strncmp(key, "slow", 4) == 0 ||
               clock_ms() < (strncmp(key, "until-", 6) == 0 ? call_number(call, "until-") : 0)) {
        call_answer(call, "", "{}");
    } else {
        snprintf(text, sizeof text, refusal, strncmp(key, "narrow", 6) == 0 ? "403 Forbidden" : "401 Unauthorized");
        call_send(call, text);
    }
}

const struct act whole_acts[] = {
    { "/verify/apikey", do_verify },
    { "/mirror", do_mirror },
    { "/stall", do_stall },
    { "/slow-at-", do_slow_at },
    { "/close-second", do_close_second },
    { "/close-after", do_close_after },
    { "/close-idle", do_close_idle },
    { "/close", do_close },
    { "/headers", do_headers },
    { "/cors", do_cors },
    { "/status", do_status },
    { "/health", do_health },
    { 0 },
};
