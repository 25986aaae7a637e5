#pragma once
/*
 * The parent of the processes that serve. It opens no listener, asks nobody and
 * reads nothing but the configuration, so that it lives while one of them dies
 * of what a client sends: the others go on, and the dead one is started again
 * at once. When the parent itself is killed, they serve on for ORPHAN_MS and end.
 */
#include "process/edge.h"

/*
 * Forks shared->count processes and keeps them running until SIGTERM or SIGINT,
 * which they are told too; waits for all. Before any thread. Returns an exit
 * status: 0, that of a process that could not start before all had, or one's
 * that did not end well.
 */
int edge_processes_run(const struct edge_settings *settings, struct edge_shared *shared);
