#pragma once
/* A name server of a test's own, on UDP of loopback. What it does not know it says does not exist. */
#include <stdbool.h>

struct dns_server;

struct dns_server *dns_server_start(void);
void dns_server_stop(struct dns_server *server);
int dns_server_port(const struct dns_server *server);
/* What a name has from now on: addresses of IPv4 or IPv6 by comma, or SRV records as `PRIORITY WEIGHT PORT HOST` by
 * comma where the name begins with `_`; "": nothing. */
void dns_server_set(struct dns_server *server, const char *name, unsigned ttl_s, const char *records);
/* It hears and says nothing. */
void dns_server_mute(struct dns_server *server, bool mute);
/* Questions for this name, of any type. */
int dns_server_asked(struct dns_server *server, const char *name);
