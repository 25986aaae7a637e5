#pragma once
/* What may be kept, for how long, and whom it may answer: RFC 9111, RFC 5861. */
#include "caching/cached.h"

/* Of Cache-Control. Seconds; -1: not said. */
struct directives {
    bool no_store, no_cache, private, public, must_revalidate, only_if_cached;
    int64_t max_age, s_maxage, max_stale, min_fresh, stale_while_revalidate;
};

enum { AGE_MAX = 1 << 30 }; /* seconds; more is as much */

/* Adds what one header says. */
void directives_read(struct directives *directives, const char *value, size_t size);
#define DIRECTIVES                                                                                                     \
    ((struct directives){                                                                                              \
        .max_age = -1, .s_maxage = -1, .max_stale = -1, .min_fresh = -1, .stale_while_revalidate = -1 })

struct cache_policy {
    bool obey;                /* the service's Cache-Control says how long; else `ttl_s` does */
    int64_t ttl_s, storage_s; /* storage_s 0: as long as it is fresh */
    bool authorized;          /* the request has Authorization */
};

/* Sets how long it is fresh, and of what it varies. false: it is not to be kept. `now_s`: unix. */
bool cache_judge(struct cached *cached, const struct reply_head *head, const struct cache_policy *policy,
                 int64_t now_s);
