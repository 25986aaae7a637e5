#include "process/edge_listen.h"

#include "base/log.h"
#include "client/netmask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static int bind_one(const struct address *address, bool listens)
{
    int on = 1, fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->socket.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address->socket, address->size) == 0 &&
        (!listens || listen(fd, H2O_SOMAXCONN) == 0))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void address_write(int fd, char out[ADDRESS_MAX])
{
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    getsockname(fd, (struct sockaddr *)&bound, &size);
    bool six = bound.ss_family == AF_INET6;
    const void *address = six ? (const void *)&((struct sockaddr_in6 *)&bound)->sin6_addr
                              : (const void *)&((struct sockaddr_in *)&bound)->sin_addr;
    inet_ntop(bound.ss_family, address, host, sizeof host);
    unsigned port = ntohs(six ? ((struct sockaddr_in6 *)&bound)->sin6_port : ((struct sockaddr_in *)&bound)->sin_port);
    snprintf(out, ADDRESS_MAX, six ? "[%s]:%u" : "%s:%u", host, port);
}

static void note_address(struct loop *loop, int fd, bool tls)
{
    address_write(fd, loop->address);
    if (loop->index == 0 && loop->edge->index == 0)
        log_info(NULL, "listening", "address", loop->address, "for", loop->name, "tls", tls ? "yes" : "no");
}

/* The first decides which port a 0 stands for. */
static bool listen_all(struct ctx *ctx, struct loop *const *loops, size_t count, const char *text, bool tls)
{
    struct address address;
    if (!hostport_parse(text, &address))
        return ctx_fail(ctx, ERROR_INVALID, "%s: is no ADDR:PORT", text);
    for (size_t i = 0; i < count; i++) {
        int fd = bind_one(&address, true);
        if (fd < 0)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", text, strerror(errno));
        address.size = sizeof address.socket;
        getsockname(fd, (struct sockaddr *)&address.socket, &address.size);
        loop_listen(loops[i], fd, tls);
        note_address(loops[i], fd, tls);
    }
    return true;
}

bool edge_listen_hold(struct ctx *ctx, const char **list)
{
    struct buf out = BUF(&ctx->arena);
    char *rest = arena_strdup(&ctx->arena, *list ? *list : ""), *item;
    buf_text(&out, "");
    while ((item = strsep(&rest, ","))) {
        struct address address;
        if (!*item)
            continue;
        if (!hostport_parse(item, &address))
            return ctx_fail(ctx, ERROR_INVALID, "%s: is no ADDR:PORT", item);
        int fd = bind_one(&address, false);
        if (fd < 0)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", item, strerror(errno));
        char text[ADDRESS_MAX];
        address_write(fd, text);
        buf_printf(&out, "%s%s", out.size ? "," : "", text);
    }
    *list = out.data;
    return true;
}

bool edge_listen(struct ctx *ctx, struct loop *const *loops, size_t count, const char *list, bool tls)
{
    char *rest = arena_strdup(&ctx->arena, list), *item;
    while ((item = strsep(&rest, ",")))
        if (*item && !listen_all(ctx, loops, count, item, tls))
            return false;
    return true;
}
