#pragma once
/* Addresses: who a client is when proxies that we trust stand before us. */
#include "base/ctx.h"

#include <sys/socket.h>

enum { ADDRESS_TEXT = 46 }; /* INET6_ADDRSTRLEN */

struct networks;

/* CIDRs by comma ("127.0.0.0/8,::1/128"); NULL and "" are the empty set. In `ctx->arena`. Fails with INVALID. */
struct networks *networks_parse(struct ctx *ctx, const char *text);

struct address {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

bool address_of_socket(const struct sockaddr *sa, struct address *out);
/* "10.1.2.3", "2001:db8::1", and both with a port ("10.1.2.3:80", "[2001:db8::1]:80"). */
bool address_parse(const char *text, size_t size, struct address *out);
void address_write(const struct address *address, char out[ADDRESS_TEXT]);
bool networks_have(const struct networks *networks, const struct address *address);

/* The last address of an X-Forwarded-For; false when it is none. */
bool forwarded_last(const char *header, struct address *out);
