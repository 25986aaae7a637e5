#pragma once
/* One process of the edge that serves: alone, or one of those that a parent has forked (edge_processes.h). */
#include "process/edge.h"

/* How long it serves on without its parent: whoever started the parent starts another one, whose processes take over.
 */
enum { ORPHAN_MS = 3000 };

/*
 * Serves until SIGTERM or SIGINT; SIGHUP reads EDGE_CONFIG again for all processes. `parent`: the reading end of a pipe
 * that the parent holds open; -1: there is none. Returns an exit status: EX_CONFIG or EX_UNAVAILABLE when it cannot
 * start.
 */
int edge_worker_run(const struct edge_settings *settings, struct edge_shared *shared, size_t index, int parent);

/* Reads EDGE_CONFIG and puts it in force, for all processes; on faults all stays as it is and the log says why. */
void edge_reload(const struct edge_settings *settings, struct edge_shared *shared);
/* A descriptor from which SIGTERM, SIGINT, SIGHUP and SIGCHLD are read; all are blocked. */
int signals_open(void);
/* 0: none. */
int signals_next(int fd);
