#pragma once
/*
 * Who has guessed how often: kept in the process, and in a Redis that all replicas share. Counts only; what follows
 * from them is lockout.c's affair.
 */
#include "store/cache.h"

enum {
    ADDRESS_FAILURES_MAX = 50,
    ADDRESS_WINDOW_MS = 10 * 60 * 1000,
    REMEMBERED_MS = 2 * 3600 * 1000, /* the failures of an account, from the last of them: longer than any delay */
};

/* The three who are counted. Texts of 96 bytes at most. */
struct tally_keys {
    const char *here;       /* an account, from one network */
    const char *everywhere; /* an account, from all of them */
    const char *address;
};

/* An account's failures and how long ago the last one was. */
struct failures {
    int64_t count, age_ms;
};

struct tallies {
    struct failures here, everywhere;
    int64_t address_age_ms; /* how old the limit-th newest failure of the address is; -1: there are not so many */
};

struct local_tallies;
struct local_tallies *local_tallies_create(void);
void local_tallies_destroy(struct local_tallies *tallies);
void local_tallies_read(struct local_tallies *tallies, const struct tally_keys *keys, int64_t address_limit,
                        struct tallies *out);
void local_tallies_add(struct local_tallies *tallies, const struct tally_keys *keys);
/* Forgets the failures here, and takes as many off the two others. */
void local_tallies_clear(struct local_tallies *tallies, const struct tally_keys *keys);

/* The same. false: Redis has not answered in time. */
bool shared_tallies_read(struct ctx *ctx, struct cache *cache, const struct tally_keys *keys, int64_t address_limit,
                         struct tallies *out);
bool shared_tallies_add(struct ctx *ctx, struct cache *cache, const struct tally_keys *keys);
bool shared_tallies_clear(struct ctx *ctx, struct cache *cache, const struct tally_keys *keys);
