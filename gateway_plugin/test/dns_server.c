#include "dns_server.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAMES = 16, ROOM = 4096 };

struct entry {
    char name[128], records[512];
    unsigned ttl_s;
    int asked;
};

struct dns_server {
    int fd, port;
    pthread_t thread;
    atomic_bool stopping, mute;
    pthread_mutex_t lock;
    struct entry entries[NAMES];
};

/* A question, and the answer that grows. */
struct reply {
    unsigned char data[ROOM];
    size_t size;
    unsigned answers;
};

static void put16(struct reply *reply, unsigned value)
{
    reply->data[reply->size++] = (unsigned char)(value >> 8);
    reply->data[reply->size++] = (unsigned char)value;
}

static void put_name(struct reply *reply, const char *name)
{
    for (size_t length; *name; name += length + (name[length] == '.')) {
        length = strcspn(name, ".");
        reply->data[reply->size++] = (unsigned char)length;
        memcpy(reply->data + reply->size, name, length);
        reply->size += length;
    }
    reply->data[reply->size++] = 0;
}

/* Up to the length of its data, which is put after it: where that stands. */
static size_t begin_record(struct reply *reply, unsigned type, unsigned ttl_s)
{
    put16(reply, 0xc00c); /* the name of the question */
    put16(reply, type);
    put16(reply, ns_c_in);
    put16(reply, ttl_s >> 16);
    put16(reply, ttl_s);
    put16(reply, 0);
    reply->answers++;
    return reply->size;
}

static void end_record(struct reply *reply, size_t from)
{
    size_t length = reply->size - from;
    reply->data[from - 2] = (unsigned char)(length >> 8);
    reply->data[from - 1] = (unsigned char)length;
}

static void put_record(struct reply *reply, const char *text, unsigned type, unsigned ttl_s)
{
    unsigned char address[16];
    unsigned priority, weight, port;
    char host[128];
    bool six = strchr(text, ':');
    if (type == ns_t_srv && sscanf(text, "%u %u %u %127s", &priority, &weight, &port, host) == 4) {
        size_t from = begin_record(reply, type, ttl_s);
        put16(reply, priority);
        put16(reply, weight);
        put16(reply, port);
        put_name(reply, host);
        end_record(reply, from);
    } else if ((type == ns_t_a && !six) || (type == ns_t_aaaa && six)) {
        size_t size = six ? 16 : 4, from = begin_record(reply, type, ttl_s);
        if (inet_pton(six ? AF_INET6 : AF_INET, text, address) != 1)
            abort();
        memcpy(reply->data + reply->size, address, size);
        reply->size += size;
        end_record(reply, from);
    }
}

static struct entry *entry_of(struct dns_server *server, const char *name)
{
    struct entry *entry = server->entries;
    while (*entry->name && strcasecmp(entry->name, name) != 0)
        entry++;
    if (entry == server->entries + NAMES)
        abort();
    if (!*entry->name)
        snprintf(entry->name, sizeof entry->name, "%s", name);
    return entry;
}

static void put_records(struct reply *reply, const struct entry *entry, unsigned type)
{
    char records[sizeof entry->records], *rest = records;
    snprintf(records, sizeof records, "%s", entry->records);
    for (char *one; (one = strsep(&rest, ","));)
        if (*one)
            put_record(reply, one + strspn(one, " "), type, entry->ttl_s);
}

/* Reads the name of the question; where it ends. */
static size_t read_name(const struct reply *reply, char name[256])
{
    size_t at = 12, size = 0;
    while (at < reply->size && reply->data[at] && size + reply->data[at] < 250) {
        size += (size_t)snprintf(name + size, 256 - size, "%s%.*s", size ? "." : "", reply->data[at],
                                 (const char *)reply->data + at + 1);
        at += 1U + reply->data[at];
    }
    name[size] = 0;
    return at + 1;
}

static bool answer(struct dns_server *server, struct reply *reply)
{
    char name[256];
    size_t at = read_name(reply, name);
    if (at + 4 > reply->size)
        return false;
    unsigned type = (unsigned)reply->data[at] << 8 | reply->data[at + 1];
    reply->size = at + 4; /* without what EDNS adds */
    pthread_mutex_lock(&server->lock);
    struct entry *entry = entry_of(server, name);
    entry->asked++;
    bool known = *entry->records;
    put_records(reply, entry, type);
    pthread_mutex_unlock(&server->lock);
    reply->data[2] = 0x84; /* an answer, with authority */
    reply->data[3] = known ? 0 : ns_r_nxdomain;
    reply->data[7] = (unsigned char)reply->answers;
    memset(reply->data + 8, 0, 4);
    return true;
}

static void *serve(void *self)
{
    struct dns_server *server = self;
    while (!server->stopping) {
        struct pollfd poller = { .fd = server->fd, .events = POLLIN };
        struct reply reply = { 0 };
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        if (poll(&poller, 1, 20) != 1)
            continue;
        ssize_t got = recvfrom(server->fd, reply.data, 512, 0, (struct sockaddr *)&from, &size);
        if (got < 12 || server->mute)
            continue;
        reply.size = (size_t)got;
        if (answer(server, &reply))
            sendto(server->fd, reply.data, reply.size, 0, (struct sockaddr *)&from, size);
    }
    return NULL;
}

struct dns_server *dns_server_start(void)
{
    struct dns_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    pthread_mutex_init(&server->lock, NULL);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(server->fd, (struct sockaddr *)&address, size) != 0)
        abort();
    getsockname(server->fd, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, serve, server);
    return server;
}

void dns_server_stop(struct dns_server *server)
{
    server->stopping = true;
    pthread_join(server->thread, NULL);
    close(server->fd);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int dns_server_port(const struct dns_server *server)
{
    return server->port;
}

void dns_server_set(struct dns_server *server, const char *name, unsigned ttl_s, const char *records)
{
    pthread_mutex_lock(&server->lock);
    struct entry *entry = entry_of(server, name);
    entry->ttl_s = ttl_s;
    snprintf(entry->records, sizeof entry->records, "%s", records);
    pthread_mutex_unlock(&server->lock);
}

void dns_server_mute(struct dns_server *server, bool mute)
{
    server->mute = mute;
}

int dns_server_asked(struct dns_server *server, const char *name)
{
    pthread_mutex_lock(&server->lock);
    int asked = entry_of(server, name)->asked;
    pthread_mutex_unlock(&server->lock);
    return asked;
}
