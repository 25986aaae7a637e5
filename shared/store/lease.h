#pragma once
/* One holder at a time, in the store: {holder, until, fencing}. Taken over when it has run out; re-checked before each
 * batch. */
#include "store/store.h"

struct lease {
    struct store *store;
    const char *name;
    const char *holder; /* this process: its instance id */
    int64_t ttl_ms;
    int64_t fencing;               /* grows with every change of holder; 0 = not held */
    int64_t until_ms;              /* on clock_ms(): this process may act as holder until then */
    int64_t seen_version, seen_ms; /* lease_hold's: how long another holder has not renewed it */
};

extern const struct collection lease_collection; /* give it to store_open() */

/* Takes the lease, or renews it when a third of the ttl has gone. false without an error: another one holds it. */
bool lease_hold(struct ctx *ctx, struct lease *lease);
/* Gives it up at once (a stop). */
void lease_release(struct ctx *ctx, struct lease *lease);
