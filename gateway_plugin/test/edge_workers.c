#include "edge_workers.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int try_dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static char *say_get(int fd, const char *path, const char *headers)
{
    char text[1024];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    say(fd, text);
    return hear_one(fd);
}

static char *try_answer(int port, const char *path, const char *headers)
{
    int fd = try_dial(port);
    if (fd < 0)
        return calloc(1, 1);
    char *answer = say_get(fd, path, headers);
    close(fd);
    return answer;
}

int try_get(int port, const char *path, const char *headers)
{
    char *answer = try_answer(port, path, headers);
    int status = status_of(answer);
    free(answer);
    return status;
}

int try_again(int fd, const char *path)
{
    char *answer = say_get(fd, path, "");
    int status = status_of(answer);
    free(answer);
    return status;
}

int edge_workers(const struct edge_process *edge, pid_t out[PIDS_MAX])
{
    char *answer = try_answer(edge->admin_port, "/status", "Connection: close\r\n");
    const char *at = strstr(answer, "\"processes\":[");
    int count = 0;
    for (at = at ? at + 13 : ""; count < PIDS_MAX && *at && *at != ']';
         at += strcspn(at, ",]") + (at[strcspn(at, ",]")] == ','))
        out[count++] = (pid_t)strtol(at, NULL, 10);
    free(answer);
    return count;
}

bool edge_workers_wait(const struct edge_process *edge, int count, pid_t without, pid_t out[PIDS_MAX])
{
    for (int64_t until = clock_ms() + 30000; clock_ms() < until; usleep(5000)) {
        bool old = false;
        int got = edge_workers(edge, out);
        for (int i = 0; i < got; i++)
            old = old || out[i] == without;
        if (got == count && !old)
            return true;
    }
    return false;
}

/* The inode of the socket at the other end of `fd`, both on 127.0.0.1; 0: not seen. The table may be long: others'
 * closed connections stand there for a minute. */
static unsigned long inode_of_peer(int fd)
{
    char line[512], ends[64];
    unsigned long out = 0;
    struct sockaddr_in own = { 0 }, peer = { 0 };
    socklen_t size = sizeof own;
    getsockname(fd, (struct sockaddr *)&own, &size);
    getpeername(fd, (struct sockaddr *)&peer, &size);
    snprintf(ends, sizeof ends, ": 0100007F:%04X 0100007F:%04X ", ntohs(peer.sin_port), ntohs(own.sin_port));
    FILE *file = fopen("/proc/net/tcp", "re");
    while (file && !out && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, ends);
        if (at)
            sscanf(at + strlen(ends), "%*x %*x:%*x %*x:%*x %*x %*u %*u %lu", &out);
    }
    if (file)
        fclose(file);
    return out;
}

static bool holds(pid_t pid, unsigned long inode)
{
    for (int fd = 0; fd < 256; fd++) {
        char path[64];
        struct stat info;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        if (stat(path, &info) == 0 && S_ISSOCK(info.st_mode) && info.st_ino == inode)
            return true;
    }
    return false;
}

pid_t edge_worker_of(const pid_t *workers, int count, int fd)
{
    /* The kernel's list of sockets is read in parts, which may miss one while others come and go. */
    for (int tries = 0; tries < 100; tries++) {
        unsigned long inode = inode_of_peer(fd);
        for (int i = 0; inode && i < count; i++)
            if (holds(workers[i], inode))
                return workers[i];
    }
    return 0;
}

/* Its descriptors are open until the last of them has ended. */
static int threads_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    int count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count - 2; /* . and .. */
}

bool process_ended(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return true;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *state = size ? strrchr(text, ')') : NULL;
    return !state || (strchr("ZX", state[2]) && threads_of(pid) <= 1);
}

bool process_ended_within(pid_t pid, int ms)
{
    for (int64_t until = clock_ms() + ms; !process_ended(pid) && clock_ms() < until;)
        usleep(2000);
    return process_ended(pid);
}

long metric(const struct edge_process *edge, const char *line)
{
    char *answer = try_answer(edge->admin_port, "/metrics", "Connection: close\r\n"), key[256];
    snprintf(key, sizeof key, "\n%s ", line);
    const char *at = strstr(answer, key);
    long value = at ? strtol(at + strlen(key), NULL, 10) : -1;
    free(answer);
    return value;
}
