#pragma once
/*
 * Who the members of the upstreams are: those of the file (names are resolved
 * again and again, resolver.h), and those that announce themselves over NATS
 * (announced.h): silence, or an outage of NATS, never empties a set. Their
 * addresses must lie in EDGE_MEMBER_NETS.
 */
#include "base/ctx.h"
#include "config/config.h"
#include "client/netmask.h"

struct bus;
struct discovery;
struct vitals_table;

struct discovery_options {
    struct bus *bus; /* NULL: without NATS */
    const struct nets *nets;
    size_t loops;
    struct vitals_table *vitals;
    const char *name_servers; /* of resolver.h */
};

struct discovery *discovery_create(struct ctx *ctx, const struct discovery_options *options);
/* The upstreams of a configuration, before loops use it: fills their `live` with what is known at once. Takes a
 * reference until the next. */
void discovery_use(struct discovery *discovery, struct config *config);
/* The one in use, with a reference; NULL: none yet. */
struct config *discovery_config(struct discovery *discovery);
/* Every name of the configuration has been asked for, and answered well or badly. */
bool discovery_resolved(struct discovery *discovery);
/* Every target of the configuration has a member. */
bool discovery_complete(struct discovery *discovery);
/* Asks now and not when the 500 ms are over: NATS has just been connected. */
void discovery_hurry(struct discovery *discovery);
/* Ends its threads; the upstreams stay. Then close the bus, then destroy it. */
void discovery_stop(struct discovery *discovery);
void discovery_destroy(struct discovery *discovery);
