#include "http/server_parts.h"

#include "base/text.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

enum { ADDRESSES_MAX = 8, BACKLOG = 1024 };

struct bound {
    struct sockaddr_storage sa;
    socklen_t size;
};

static bool resolve(struct ctx *ctx, const char *text, struct bound *out)
{
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    if (!colon || !text_number(colon + 1, 65535, &port))
        return ctx_fail(ctx, ERROR_INVALID, "'%s' is not ADDR:PORT", text);
    char *host = arena_memdup(&ctx->arena, text, (size_t)(colon - text));
    size_t size = strlen(host);
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = 0;
        host++;
    }
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE | AI_NUMERICSERV },
                    *found = NULL;
    if (getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found) != 0 || !found)
        return ctx_fail(ctx, ERROR_INVALID, "'%s' is not ADDR:PORT", text);
    memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
    out->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static int bind_socket(const struct bound *bound, bool shared)
{
    int fd = socket(bound->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bound->sa.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&bound->sa, bound->size) != 0 || (shared && listen(fd, BACKLOG) != 0)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* SO_REUSEPORT would share the port with a process that has it already: a socket without it tells first. */
static bool is_free(const struct bound *bound)
{
    int fd = bind_socket(bound, false);
    if (fd < 0)
        return false;
    bool taken = listen(fd, 1) != 0;
    int error = errno;
    close(fd);
    errno = error;
    return !taken;
}

static bool listen_on(struct ctx *ctx, struct server *server, const char *text, size_t index)
{
    struct bound bound = { 0 };
    if (!resolve(ctx, text, &bound))
        return false;
    if (!is_free(&bound))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "cannot listen on %s: %s", text, strerror(errno));
    for (size_t loop = 0; loop < server->loop_count; loop++) {
        int fd = bind_socket(&bound, true);
        if (fd < 0)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "cannot listen on %s: %s", text, strerror(errno));
        server->listeners[loop * server->address_count + index] = fd;
        /* Port 0: the others take the port that the first has got. */
        bound.size = sizeof bound.sa;
        getsockname(fd, (struct sockaddr *)&bound.sa, &bound.size);
    }
    if (index == 0) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        if (getnameinfo((struct sockaddr *)&bound.sa, bound.size, host, sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV) != 0)
            return ctx_fail(ctx, ERROR_INTERNAL, "cannot name the address of %s", text);
        server->address = arena_printf(&server->ctx.arena, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    }
    return true;
}

bool listeners_open(struct ctx *ctx, struct server *server)
{
    const char *texts[ADDRESSES_MAX];
    for (const char *at = server->options.listen; *(at += strspn(at, " ,"));) {
        size_t size = strcspn(at, " ,");
        if (server->address_count == ADDRESSES_MAX)
            return ctx_fail(ctx, ERROR_INVALID, "more than %d addresses to listen on", ADDRESSES_MAX);
        texts[server->address_count++] = arena_memdup(&ctx->arena, at, size);
        at += size;
    }
    if (server->address_count == 0)
        return ctx_fail(ctx, ERROR_INVALID, "no address to listen on");
    size_t count = server->loop_count * server->address_count;
    server->listeners = arena_array(&server->ctx.arena, int, count);
    memset(server->listeners, -1, count * sizeof *server->listeners);
    for (size_t i = 0; i < server->address_count; i++)
        if (!listen_on(ctx, server, texts[i], i))
            return false;
    return true;
}

void listeners_close(struct server *server)
{
    for (size_t i = 0; server->listeners && i < server->loop_count * server->address_count; i++)
        if (server->listeners[i] >= 0)
            close(server->listeners[i]);
}
