#pragma once
/*
 * Who a client is: its connection's other end or, where a proxy stands there
 * that the operator trusts (EDGE_TRUSTED_PROXIES), whom that names in X-Forwarded-For.
 * It is read from its end: what stands left of an address that is not trusted
 * may be invented. How the client asked is then what the proxy says too, in
 * X-Forwarded-Proto, -Host and -Port: TLS may have ended there.
 */
#include <arpa/inet.h>
#include <h2o.h>
#include <stdbool.h>

struct exchange;

struct client {
    struct in6_addr address; /* IPv4 mapped */
    char text[INET6_ADDRSTRLEN];
    bool looked, known;
    bool behind; /* a proxy that is trusted */
};

/* Found out once for each request. NULL: the connection has no address. */
const struct client *client_of(struct exchange *x);
/* Where somebody is trusted: what stands below need not look any more. exchange.c has done it for every request. */
void client_look(struct exchange *x);
/* In digits, or "unknown". After one of the two above. */
const char *client_text(const struct exchange *x);
/* Did it ask over TLS? */
bool client_tls(const struct exchange *x);
/* For whom it asked; and the port, where a proxy says it: else empty. */
h2o_iovec_t client_host(const struct exchange *x);
h2o_iovec_t client_port(const struct exchange *x);
