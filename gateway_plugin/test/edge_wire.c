#include "edge_wire.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    perror("dial");
    close(fd);
    return -1;
}

bool say_bytes(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

char *hear_all(int fd, int ms, size_t *size)
{
    size_t room = 65536, got = 0;
    char *out = malloc(room);
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    while (poll(&poller, 1, ms) == 1) {
        if (room - got < 4096)
            out = realloc(out, room *= 2);
        ssize_t part = recv(fd, out + got, room - got - 1, 0);
        if (part <= 0)
            break;
        got += (size_t)part;
    }
    out[got] = 0;
    if (size)
        *size = got;
    return out;
}

static bool complete(const char *text, size_t size)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return false;
    const char *length = strcasestr(text, "\r\ncontent-length:");
    if (length && length < end)
        return size - (size_t)(end + 4 - text) >= strtoul(length + 17, NULL, 10);
    return strstr(end, "\r\n0\r\n\r\n");
}

char *hear_one(int fd)
{
    size_t room = 1 << 20, got = 0;
    char *out = calloc(1, room);
    while (got < room - 1 && !complete(out, got)) {
        ssize_t part = recv(fd, out + got, room - got - 1, 0);
        if (part <= 0)
            break;
        got += (size_t)part;
        out[got] = 0;
    }
    return out;
}

char *ask(int port, const char *text)
{
    int fd = dial(port);
    say(fd, text);
    char *out = hear_all(fd, 10000, NULL);
    close(fd);
    return out;
}

char *get(int port, const char *path, const char *headers)
{
    char text[8192];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: music.example:8000\r\nConnection: close\r\n%s\r\n", path,
             headers);
    return ask(port, text);
}

int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

bool has(const char *answer, const char *text)
{
    return strcasestr(answer, text);
}
