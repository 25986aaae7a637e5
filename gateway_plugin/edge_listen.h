#pragma once
/* Sockets to listen on: one for each loop and address, so that the kernel spreads the connections (SO_REUSEPORT). */
#include "edge.h"

/* `list`: ADDR:PORT by comma; port 0 takes a free one, the same for all loops. false (and why) when one cannot be
 * bound. */
bool edge_listen(struct ctx *ctx, struct loop *const *loops, size_t count, const char *list, bool tls);
