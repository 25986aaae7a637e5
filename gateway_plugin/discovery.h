#pragma once
/*
 * Who the members of the upstreams are: those of the file (names are resolved
 * here, again and again), and those that announce themselves over NATS: every
 * 500 ms `$SRV.INFO.<name>` is asked, and each replica says its address in its
 * metadata (`http`). One leaves on its own tonearm.leave, or after two rounds in
 * which others answered and it did not: silence, or an outage of NATS, never
 * empties a set. Addresses must lie in EDGE_MEMBER_NETS.
 */
#include "base/ctx.h"
#include "config/config.h"
#include "netmask.h"

struct bus;
struct discovery;

struct discovery *discovery_create(struct ctx *ctx, struct bus *bus, const struct nets *nets, size_t loops);
/* The upstreams of a configuration, before loops use it: fills their `live` with what is known at once. Takes a
 * reference until the next. */
void discovery_use(struct discovery *discovery, struct config *config);
/* Asks now and not when the 500 ms are over: NATS has just been connected. */
void discovery_hurry(struct discovery *discovery);
/* Ends its threads; the upstreams stay. Then close the bus, then destroy it. */
void discovery_stop(struct discovery *discovery);
void discovery_destroy(struct discovery *discovery);
