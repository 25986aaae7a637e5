/* What ./dev runs here, and whether it is ready: each process is asked at its own address. */
#include "cli.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static int connect_to(const char *address)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    char host[64];
    const char *colon = strrchr(address, ':');
    int64_t port;
    if (!colon || (size_t)(colon - address) >= sizeof host || !text_number(colon + 1, 65535, &port))
        return -1;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    to.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = { .tv_sec = 2 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The first line of what it says to `hello`; "" for silence, NULL where nobody listens. */
static char *first_line(struct arena *arena, const char *address, const char *hello)
{
    _cleanup_(closep) int fd = connect_to(address);
    if (fd < 0)
        return NULL;
    char line[256];
    if (send(fd, hello, strlen(hello), MSG_NOSIGNAL) != (ssize_t)strlen(hello))
        return NULL;
    ssize_t n = recv(fd, line, sizeof line - 1, 0);
    line[n > 0 ? n : 0] = 0;
    line[strcspn(line, "\r\n")] = 0;
    return arena_strdup(arena, line);
}

static const char *state_of(struct arena *arena, const char *name, const char *address)
{
    bool redis = text_starts(name, "redis"), nats = text_equal(name, "nats"), mongo = text_starts(name, "mongo");
    const char *path = text_starts(name, "edge") ? "/status" : "/ready";
    const char *hello = redis || nats || mongo
                            ? redis ? "PING\r\n" : ""
                            : arena_printf(arena, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path,
                                           address);
    if (mongo) {
        _cleanup_(closep) int fd = connect_to(address);
        return fd >= 0 ? "ready" : "down";
    }
    const char *line = first_line(arena, address, hello);
    if (!line)
        return "down";
    bool ready = redis  ? text_starts(line, "+PONG") || text_starts(line, "-NOAUTH")
                 : nats ? text_starts(line, "INFO ")
                        : strstr(line, " 200 ") != NULL;
    return ready ? "ready" : "not ready";
}

bool cli_status(struct cli *cli, char **args)
{
    if (!cli_done(cli, args))
        return false;
    const char *path = arena_printf(&cli->ctx->arena, "%s/addresses", cli->set->run);
    FILE *file = fopen(path, "re");
    if (!file)
        return ctx_fail(cli->ctx, ERROR_UNAVAILABLE, "nothing runs here (%s: %s)", path, strerror(errno));
    char name[64], address[128];
    bool all = true;
    while (fscanf(file, "%63s %127s", name, address) == 2) {
        const char *state = state_of(&cli->ctx->arena, name, address);
        all = all && text_equal(state, "ready");
        printf("%-12s %-22s %s\n", name, address, state);
    }
    fclose(file);
    return all || ctx_fail(cli->ctx, ERROR_UNAVAILABLE, "not all are ready");
}
