#pragma once
/* tonearm-edge as a process, for tests: on free ports, with a configuration of the test's, ended by its pid. */
#include "edge_wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct edge_process {
    pid_t pid;
    int port, tls_port, admin_port;
    char dir[64]; /* edge.yml, log */
};

/* `yaml` may name ports by %d: it is a format. `environment`: NAME=value, NULL-terminated; NULL: none.
 * WITH_TLS=1 opens tls_port; EDGE_PROGRAM is another binary, below the build folder. Waits until it
 * listens. */
void edge_process_start(struct edge_process *edge, const char *const *environment, const char *yaml, ...)
    __attribute__((format(printf, 3, 4), nonnull(3)));
/* It has ended: another one in its place, on its ports and its file. */
void edge_process_again(struct edge_process *edge, const char *const *environment);
void edge_process_write(struct edge_process *edge, const char *yaml, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
/* SIGTERM; the exit status must be 0. */
void edge_process_stop(struct edge_process *edge);
void edge_process_signal(struct edge_process *edge, int number);
/* KiB of resident memory. */
/* For eventually(): a struct edge_process whose /ready is 200. */
bool edge_process_ready(void *edge);
long edge_process_memory(const struct edge_process *edge);
/* Built with a sanitizer: its memory says nothing. */
bool edge_process_sanitized(void);
/* What it has logged. From malloc. */
char *edge_process_log(const struct edge_process *edge);

/* A port of loopback that nobody listens to, and nobody else is given: held_port(). */
int edge_free_port(void);

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
