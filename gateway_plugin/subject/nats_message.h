#pragma once
/*
 * A request as the message that a NATS service gets: its headers as they would
 * be forwarded, tonearm-method and tonearm-path (with the query), and as data
 * its body; what stands in the address is in it too, where it is an object or empty (nats_fields.h).
 */
#include "exchange/exchange.h"
#include "nats/bus.h"

/* In the arena, and in `scratch` of BLOCK_SIZE bytes. NULL: good, else what is wrong, and *status says what to answer.
 */
const char *nats_message_make(struct exchange *x, struct arena *arena, char *scratch, struct bus_message *out,
                              int *status);
