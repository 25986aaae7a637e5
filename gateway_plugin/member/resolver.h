#pragma once
/*
 * Names of hosts to addresses. Numeric ones at once; the others are asked for by
 * a thread of its own, and again when their TTL says so (1 s to an hour; each
 * second while there is none). A name server that is away takes no address away.
 * Addresses of IPv4 where a name has any, else those of IPv6. `_service._tcp.NAME`
 * is looked up as SRV: its records say hosts, ports and weights.
 */
#include "member/member.h"

struct resolver;

enum { ADDRESSES_MAX = 32 };

struct addresses {
    struct address items[ADDRESSES_MAX];
    int64_t weights[ADDRESSES_MAX]; /* of SRV; 0: the target's own */
    size_t count;
};

/* `servers`: ADDR[:PORT] by comma; NULL or "": the system's. `changed` is called on the resolver's thread. NULL: they
 * are no addresses. */
struct resolver *resolver_create(const char *servers, void (*changed)(void *self), void *self);
void resolver_destroy(struct resolver *resolver);
/* HOST:PORT as last resolved. One that is new is asked for from now on: never blocks. */
struct addresses resolver_get(struct resolver *resolver, const char *target);
/* Has it been answered, well or badly, and has `changed` been told? */
bool resolver_answered(struct resolver *resolver, const char *target);
/* What is not got between the two is not asked for any more. */
void resolver_mark(struct resolver *resolver);
void resolver_sweep(struct resolver *resolver);
