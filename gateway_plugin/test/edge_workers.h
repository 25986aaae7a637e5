#pragma once
/* The processes of an edge that has several, for tests. */
#include "edge_fixture.h"

enum { PIDS_MAX = 8 };

/* Those that serve, as /status tells them; how many. 0 while nobody answers. */
int edge_workers(const struct edge_process *edge, pid_t out[PIDS_MAX]);
/* Waits (10 s) until `count` serve and `without` is none of them (0: whichever). */
bool edge_workers_wait(const struct edge_process *edge, int count, pid_t without, pid_t out[PIDS_MAX]);
/* The one of them that holds the other end of this connection; 0: none. */
pid_t edge_worker_of(const pid_t *workers, int count, int fd);
/* It has ended, whether or not somebody has asked how. */
bool process_ended(pid_t pid);
bool process_ended_within(pid_t pid, int ms);

/* From any thread: asserts nothing. The status of an answer on a connection of its own; 0: none came. */
int try_get(int port, const char *path, const char *headers);
/* A connection, or -1. */
int try_dial(int port);
/* The status of an answer on a connection that stays open; 0: none came. */
int try_again(int fd, const char *path);
/* The value of a line of /metrics, asked of whichever answers; -1: it is not there. */
long metric(const struct edge_process *edge, const char *line);
