#pragma once
/*
 * Moves events from the store's outbox to their stream, in the order of each
 * entity, with their id as Nats-Msg-Id, confirmed by the stream before they are
 * marked. One replica relays at a time, under the lease "relay"; it also sweeps
 * the event log. A thread of its own.
 */
#include "nats/bus.h"
#include "store/lease.h"

struct relay;

struct relay *relay_start(struct ctx *ctx, struct bus *bus, struct store *store);
/* There is something to relay; any thread, never blocks: give it to store_options.written. NULL does nothing. */
void relay_wake(void *relay);
void relay_stop(struct relay *relay);
