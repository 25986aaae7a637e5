#pragma once
/* Addresses in digits, and nets they lie in. */
#include "member/balancer.h"

#include <netinet/in.h>

/* "127.0.0.1:8010", "[::1]:8010"; no names. */
bool hostport_parse(const char *text, struct address *address);

struct net {
    struct in6_addr base; /* IPv4 mapped */
    unsigned bits;
};

/* Without its port; IPv4 becomes mapped. */
struct in6_addr address_in6(const struct sockaddr_storage *socket);
/* "10.0.0.1", "2001:db8::1"; IPv4 becomes mapped. */
bool digits_parse(const char *text, struct in6_addr *out);
/* An address, or ADDRESS/BITS. */
bool net_parse(const char *text, struct net *net);
bool net_holds(const struct net *net, const struct in6_addr *address);

enum { NETS_MAX = 32 };

struct nets {
    struct net items[NETS_MAX];
    size_t count;
};

/* CIDRs by comma. */
bool nets_parse(const char *text, struct nets *nets);
bool nets_hold(const struct nets *nets, const struct address *address);
bool nets_have(const struct nets *nets, const struct in6_addr *address);
