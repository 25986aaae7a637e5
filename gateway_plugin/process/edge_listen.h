#pragma once
/* Sockets to listen on: one for each loop and address, so that the kernel spreads the connections (SO_REUSEPORT). */
#include "process/edge.h"

/*
 * For who forks the processes that listen: binds each address of *list and never listens there, so that one in use is
 * found before the fork and a port 0 becomes the same port for all. The sockets are held to the end of the process.
 * false and why.
 */
bool edge_listen_hold(struct ctx *ctx, const char **list);

/* `list`: ADDR:PORT by comma; port 0 takes a free one, the same for all loops. false (and why) when one cannot be
 * bound. */
bool edge_listen(struct ctx *ctx, struct loop *const *loops, size_t count, const char *list, bool tls);
