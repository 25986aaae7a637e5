#pragma once
/*
 * Against guessing. From the 5th wrong password or code on an account makes the network that the guesses came from
 * (/24, /64) wait: 1 s, doubling to 900 s, even with the right one. 50 failures of an address in 10 minutes, on
 * whatever accounts, and that address waits until one of them is older. 100 failures on an account from everywhere make
 * those wait (1 s, doubling to 60 s) from whose network nobody is signed in to it: it is no weapon. A try that is
 * refused does not count; the right password clears what its network had failed on that account.
 *
 * Redis holds the counts of all replicas. Each counts by itself too, and goes by that where Redis does not answer
 * within redis_ms; after 5 s without an answer with limits of 3, 20 and 40, since it does not know what the others see.
 * An account that is not there is counted like any other. Any thread.
 */
#include "lockout/tallies.h"

struct lockout;

struct lockout_options {
    const char *redis_url; /* NULL or "": none */
    int64_t redis_ms; /* what one question may take; 0 = 200. After three that took longer nobody waits for a second */
    /* Whether somebody is signed in to the account with this address (of mail) from `network`; NULL: nobody is. */
    bool (*familiar)(struct ctx *ctx, void *self, const char *email, const char *network);
    void *self;
};

/* One try: made by lockout_admit(), ended by at most one of the two others. In ctx->arena. */
struct attempt {
    struct tally_keys keys;
    bool clean; /* there was nothing to clear */
};

/* ERROR_INVALID for a URL that is none; whether Redis is there is not asked. */
struct lockout *lockout_create(struct ctx *ctx, const struct lockout_options *options);
void lockout_destroy(struct lockout *lockout);
/* As far as Redis is known to answer; for /ready and the metrics. Blocks for redis_ms at most. */
bool lockout_shared(struct ctx *ctx, struct lockout *lockout);

/* For metric_watch(): wrong tries, and tries that were refused, since the start. */
int64_t lockout_wrong(void *lockout);
int64_t lockout_refused(void *lockout);

/* `peer`: the client's address, NULL where it is not known. false: ERROR_LIMITED with the seconds to wait. */
bool lockout_admit(struct ctx *ctx, struct lockout *lockout, const char *email, const char *peer, struct attempt *out);
void lockout_failed(struct ctx *ctx, struct lockout *lockout, const struct attempt *attempt);
void lockout_passed(struct ctx *ctx, struct lockout *lockout, const struct attempt *attempt);

/* The network of an address as text: "192.0.2.0/24", "2001:db8::/64". */
const char *lockout_network(struct arena *arena, const char *peer);
