#pragma once
/* Names of hosts to addresses. Numeric ones at once; the others are asked for again every 10 s (1 s while there is
 * none), by a thread of its own. */
#include "balancer.h"

struct resolver;

enum { ADDRESSES_MAX = 8 };

struct addresses {
    struct address items[ADDRESSES_MAX];
    size_t count;
};

/* `changed` is called on the resolver's thread. */
struct resolver *resolver_create(void (*changed)(void *self), void *self);
void resolver_destroy(struct resolver *resolver);
/* HOST:PORT as last resolved. The first time it is asked here and now, which may block. */
struct addresses resolver_get(struct resolver *resolver, const char *target);
