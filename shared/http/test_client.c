#include "http/test_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

int try_dial(const struct server *server)
{
    const char *address = server_address(server), *colon = strrchr(address, ':');
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)) };
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    close(fd);
    return -1;
}

int dial(const struct server *server)
{
    int fd = try_dial(server);
    cr_assert_geq(fd, 0, "cannot connect to %s", server_address(server));
    return fd;
}

void put_bytes(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the answer tells why */
        at += sent;
        size -= (size_t)sent;
    }
}

void put(int fd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int size = vasprintf(&text, format, args);
    va_end(args);
    put_bytes(fd, text, (size_t)size);
    free(text);
}

static ssize_t receive(int fd, void *out, size_t size)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    return poll(&wait, 1, 60000) == 1 ? recv(fd, out, size, 0) : -1;
}

static bool take_head(int fd, struct reply *reply)
{
    char head[16384];
    size_t size = 0;
    while (size < sizeof head - 1 && receive(fd, head + size, 1) == 1) {
        size++;
        if (size >= 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    head[size] = 0;
    reply->head = strdup(head);
    return sscanf(head, "HTTP/1.1 %d", &reply->status) == 1;
}

static void take_more(int fd, struct reply *reply, size_t wanted)
{
    reply->body = realloc(reply->body, reply->size + wanted + 1);
    for (size_t left = wanted; left > 0;) {
        ssize_t got = receive(fd, reply->body + reply->size, left);
        if (got <= 0)
            break;
        reply->size += (size_t)got;
        left -= (size_t)got;
    }
    reply->body[reply->size] = 0;
}

static size_t take_chunk_size(int fd)
{
    char line[32] = { 0 };
    for (size_t i = 0; i < sizeof line - 1 && receive(fd, line + i, 1) == 1; i++)
        if (line[i] == '\n')
            break;
    return strtoul(line, NULL, 16);
}

static void take_chunks(int fd, struct reply *reply)
{
    char crlf[2];
    for (size_t size; (size = take_chunk_size(fd)) > 0;) {
        take_more(fd, reply, size);
        receive(fd, crlf, 2);
    }
    receive(fd, crlf, 2);
}

struct reply take(int fd, bool bodiless)
{
    struct reply reply = { 0 };
    reply.body = calloc(1, 1);
    if (!take_head(fd, &reply) || bodiless)
        return reply;
    const char *length = reply_header(&reply, "content-length"), *encoding = reply_header(&reply, "transfer-encoding");
    if (length)
        take_more(fd, &reply, strtoul(length, NULL, 10));
    else if (encoding)
        take_chunks(fd, &reply);
    return reply;
}

bool is_closed(int fd, int ms)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    char byte;
    return poll(&wait, 1, ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

const char *reply_header(const struct reply *reply, const char *name)
{
    static _Thread_local char value[512];
    size_t size = strlen(name);
    for (const char *line = strchr(reply->head, '\n'); line; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            const char *from = line + size + 1 + strspn(line + size + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r\n"), from);
            return value;
        }
    }
    return NULL;
}

void free_reply(struct reply *reply)
{
    free(reply->head);
    free(reply->body);
    *reply = (struct reply){ 0 };
}

struct reply ask(const struct server *server, const char *request, const char *headers, const char *body)
{
    int fd = dial(server);
    put(fd, "%s HTTP/1.1\r\nHost: test\r\n%s", request, headers ? headers : "");
    if (body)
        put(fd, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    else
        put(fd, "\r\n");
    struct reply reply = take(fd, strncmp(request, "HEAD ", 5) == 0);
    close(fd);
    return reply;
}

long resident_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}
