#pragma once
/* Addresses in digits, and nets they lie in. */
#include "balancer.h"

/* "127.0.0.1:8010", "[::1]:8010"; no names. */
bool hostport_parse(const char *text, struct address *address);

struct net {
    struct in6_addr base; /* IPv4 mapped */
    unsigned bits;
};

enum { NETS_MAX = 32 };

struct nets {
    struct net items[NETS_MAX];
    size_t count;
};

/* CIDRs by comma. */
bool nets_parse(const char *text, struct nets *nets);
bool nets_hold(const struct nets *nets, const struct address *address);
