#pragma once
/* tonearm-edge as a process, for tests: on free ports, with a configuration of the test's, ended by its pid. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct edge_process {
    pid_t pid;
    int port, tls_port, admin_port;
    char dir[64]; /* edge.yml, log */
};

/* `yaml` may name ports by %d: it is a format. `environment`: NAME=value, NULL-terminated; NULL: none. Waits until it
 * listens. */
void edge_process_start(struct edge_process *edge, const char *const *environment, const char *yaml, ...)
    __attribute__((format(printf, 3, 4), nonnull(3)));
void edge_process_write(struct edge_process *edge, const char *yaml, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
/* SIGTERM; the exit status must be 0. */
void edge_process_stop(struct edge_process *edge);
void edge_process_signal(struct edge_process *edge, int number);
/* KiB of resident memory. */
long edge_process_memory(const struct edge_process *edge);
/* Built with a sanitizer: its memory says nothing. */
bool edge_process_sanitized(void);
/* What it has logged. From malloc. */
char *edge_process_log(const struct edge_process *edge);

/* A connection to 127.0.0.1, with a time limit of 10 s for each call. */
int dial(int port);
void say(int fd, const char *text);
void say_bytes(int fd, const void *data, size_t size);
/* All until the other side closes (or `ms` pass without a byte). From malloc, ended by NUL. */
char *hear_all(int fd, int ms, size_t *size);
/* One answer with Content-Length or chunks; the connection stays open. From malloc. */
char *hear_one(int fd);
/* A connection of its own: says, hears all, closes. The text must ask for `Connection: close`. */
char *ask(int port, const char *text);
/* "GET path" with further header lines ("A: b\r\n"), Connection: close. */
char *get(int port, const char *path, const char *headers);
int status_of(const char *answer);
/* The body of an answer. */
const char *body_of(const char *answer);
bool has(const char *answer, const char *text);

/* A port that takes no connection and refuses none. */
struct deaf_port {
    int port, fd, callers[4];
};
struct deaf_port deaf_port_open(void);
void deaf_port_close(struct deaf_port *deaf);

/* A test between setup() and teardown(). Criterion counts no assertion that fails in a .fini, and the edge's end is
 * one. */
#define EDGE_TEST(suite, name)                                                                                         \
    static void suite##_##name(void);                                                                                  \
    Test(suite, name)                                                                                                  \
    {                                                                                                                  \
        setup();                                                                                                       \
        suite##_##name();                                                                                              \
        teardown();                                                                                                    \
    }                                                                                                                  \
    static void suite##_##name(void)
