#include "member/health_probe.h"

#include "base/buf.h"
#include "must.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_LINE = 13 }; /* "HTTP/1.1 200 " */

enum stage { CONNECTING, SHAKING_HANDS, ASKING, READING };

struct probe {
    struct config *config;
    const struct kong_upstream *upstream;
    struct member *member;
    int fd;
    SSL *tls; /* NULL: none */
    enum stage stage;
    short wants;
    int64_t deadline_ms;
    struct arena arena;
    const char *request;
    size_t size, sent, got;
    char answer[STATUS_LINE];
};

/* How far a stage has come. */
enum step { STEP_WAIT, STEP_NEXT, STEP_FAILED };

static const struct kong_side *side_of(const struct probe *probe)
{
    return &probe->upstream->health.active;
}

static void write_request(struct probe *probe)
{
    const struct kong_side *side = side_of(probe);
    struct buf out = BUF(&probe->arena);
    bool host = false, agent = false;
    for (const struct probe_header *one = side->headers; one; one = one->next) {
        host |= strcasecmp(one->name, "host") == 0;
        agent |= strcasecmp(one->name, "user-agent") == 0;
    }
    buf_printf(&out, "GET %s HTTP/1.1\r\nConnection: close\r\n", side->path);
    if (!host)
        buf_printf(&out, "Host: %s\r\n",
                   probe->upstream->host_header ? probe->upstream->host_header : probe->member->name);
    if (!agent)
        buf_text(&out, "User-Agent: tonearm-edge (health check)\r\n");
    for (const struct probe_header *one = side->headers; one; one = one->next)
        buf_printf(&out, "%s: %s\r\n", one->name, one->value);
    buf_text(&out, "\r\n");
    probe->request = out.data;
    probe->size = out.size;
}

static void dial(struct probe *probe)
{
    const struct address *address = &probe->member->address;
    probe->fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0)
        return;
    if (connect(probe->fd, (const struct sockaddr *)&address->socket, address->size) == 0 || errno == EINPROGRESS)
        return;
    close(probe->fd);
    probe->fd = -1;
}

static void prepare_tls(struct probe *probe)
{
    const struct kong_upstream *upstream = probe->upstream;
    const char *given = side_of(probe)->sni ? side_of(probe)->sni : upstream->tls_name;
    char *name = arena_strdup(&probe->arena, given ? given : probe->member->host);
    probe->tls = must(SSL_new(upstream->probe_tls));
    SSL_set_fd(probe->tls, probe->fd);
    SSL_set_connect_state(probe->tls);
    SSL_set_tlsext_host_name(probe->tls, name);
}

struct probe *probe_create(struct config *config, const struct kong_upstream *upstream, struct member *member,
                           int64_t now_ms)
{
    struct probe *probe = must(calloc(1, sizeof *probe));
    *probe = (struct probe){ .config = config,
                             .upstream = upstream,
                             .member = member,
                             .wants = POLLOUT,
                             .deadline_ms = now_ms + upstream->health.active.timeout_ms };
    dial(probe);
    if (side_of(probe)->type != PROBE_TCP)
        write_request(probe);
    if (probe->fd >= 0 && side_of(probe)->type == PROBE_HTTPS)
        prepare_tls(probe);
    return probe;
}

void probe_destroy(struct probe *probe)
{
    SSL_free(probe->tls);
    if (probe->fd >= 0)
        close(probe->fd);
    member_unref(probe->member);
    config_unref(probe->config);
    arena_free(&probe->arena);
    free(probe);
}

int probe_fd(const struct probe *probe)
{
    return probe->fd;
}

short probe_wants(const struct probe *probe)
{
    return probe->wants;
}

int64_t probe_deadline(const struct probe *probe)
{
    return probe->deadline_ms;
}

const struct kong_upstream *probe_upstream(const struct probe *probe)
{
    return probe->upstream;
}

static enum step wait_for(struct probe *probe, short what)
{
    probe->wants = what;
    return STEP_WAIT;
}

/* What OpenSSL says when it has not done all. */
static enum step tls_waits(struct probe *probe, int result)
{
    int why = SSL_get_error(probe->tls, result);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ)
        return wait_for(probe, POLLIN);
    return why == SSL_ERROR_WANT_WRITE ? wait_for(probe, POLLOUT) : STEP_FAILED;
}

static enum step finish_connect(struct probe *probe)
{
    struct pollfd poller = { .fd = probe->fd, .events = POLLOUT };
    int error = 0;
    socklen_t size = sizeof error;
    if (probe->fd < 0)
        return STEP_FAILED;
    if (poll(&poller, 1, 0) == 0)
        return wait_for(probe, POLLOUT);
    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error ? STEP_FAILED : STEP_NEXT;
}

static enum step shake_hands(struct probe *probe)
{
    int result = probe->tls ? SSL_do_handshake(probe->tls) : 1;
    return result == 1 ? STEP_NEXT : tls_waits(probe, result);
}

static enum step ask(struct probe *probe)
{
    while (probe->sent < probe->size) {
        const char *from = probe->request + probe->sent;
        size_t left = probe->size - probe->sent;
        ssize_t sent = probe->tls ? SSL_write(probe->tls, from, (int)left) : send(probe->fd, from, left, MSG_NOSIGNAL);
        if (sent <= 0 && probe->tls)
            return tls_waits(probe, (int)sent);
        if (sent <= 0)
            return errno == EAGAIN ? wait_for(probe, POLLOUT) : STEP_FAILED;
        probe->sent += (size_t)sent;
    }
    return STEP_NEXT;
}

static enum step read_status(struct probe *probe)
{
    while (probe->got < STATUS_LINE - 1) {
        char *to = probe->answer + probe->got;
        size_t room = STATUS_LINE - 1 - probe->got;
        ssize_t got = probe->tls ? SSL_read(probe->tls, to, (int)room) : recv(probe->fd, to, room, 0);
        if (got <= 0 && probe->tls)
            return tls_waits(probe, (int)got);
        if (got <= 0)
            return got < 0 && errno == EAGAIN ? wait_for(probe, POLLIN) : STEP_FAILED;
        probe->got += (size_t)got;
    }
    return STEP_NEXT;
}

/* 0: it is no answer of HTTP. */
static int status_of(const struct probe *probe)
{
    int status = 0;
    if (memcmp(probe->answer, "HTTP/1.", 7) != 0 || probe->answer[8] != ' ')
        return 0;
    for (const char *c = probe->answer + 9; c < probe->answer + 12; c++) {
        if (*c < '0' || *c > '9')
            return 0;
        status = status * 10 + *c - '0';
    }
    return status;
}

static void tell(const struct probe *probe, int64_t now_ms)
{
    int status = side_of(probe)->type == PROBE_TCP ? 0 : status_of(probe);
    bool broken = side_of(probe)->type != PROBE_TCP && !status;
    member_probed(probe->member, broken ? OUTCOME_BROKEN : OUTCOME_STATUS, status, now_ms);
}

bool probe_step(struct probe *probe, int64_t now_ms)
{
    static enum step (*const stages[])(struct probe *) = {
        [CONNECTING] = finish_connect, [SHAKING_HANDS] = shake_hands, [ASKING] = ask, [READING] = read_status
    };
    enum step step = STEP_NEXT;
    bool done = false;
    while (!done && (step = stages[probe->stage](probe)) == STEP_NEXT)
        done = probe->stage++ == (side_of(probe)->type == PROBE_TCP ? CONNECTING : READING);
    if (done)
        tell(probe, now_ms);
    else if (step == STEP_FAILED)
        member_probed(probe->member, OUTCOME_CONNECT_FAILED, 0, now_ms);
    else if (now_ms >= probe->deadline_ms)
        member_probed(probe->member, OUTCOME_TIMED_OUT, 0, now_ms);
    else
        return false;
    return true;
}
