#pragma once
/*
 * A bus without a network: what is sent comes here, and what the input says is
 * answered at once, on the thread that asks. Other threads find that nobody is
 * there.
 */
#include "fuzz.h"
#include "nats/bus_parts.h"

/* With no server behind it. The first time libnats is started. */
struct bus *fuzz_bus_open(void);
/* From here on questions of this thread are answered out of `script`; NULL: no more. */
void fuzz_bus_script(struct input *script);
/* Gives a message to all who listen to `subject`, as libnats would. Whether there were any. */
bool fuzz_bus_deliver(struct bus *bus, const char *subject, natsMsg *(*make)(void *self), void *self);
/* Called on every message that is sent on this thread meanwhile; NULL: none. */
void fuzz_bus_watch(void (*sent)(void *self, natsMsg *msg), void *self);
