#pragma once
/* What an API key may do: its scopes, and how many requests a minute. */
#include "config/options.h"
#include "apikey/rates.h"

#include <stdatomic.h>
#include <stddef.h>

struct valid_apikey;

/* Counted; texts live with it. Any thread. */
struct grant {
    atomic_size_t references;
    const char *id, *name;     /* as header values: a name that is none is empty */
    const char *const *scopes; /* GENERAL, or prefixes of the public path; NULL-terminated */
    struct texts groups;       /* the same: what acl goes by */
    int64_t per_minute;        /* 0: no limit */
    int64_t expires_ms;        /* unix; 0: never */
    struct rates *rates;
    struct rate_id rate; /* the same for all grants with this id */
};

struct grant *grant_create(const struct valid_apikey *valid);
/* Of auth's answer; NULL: it is none. */
struct grant *grant_read(const char *data, size_t size);
struct grant *grant_ref(struct grant *grant);
void grant_unref(struct grant *grant);
bool grant_reaches(const struct grant *grant, const char *path, size_t size);
/* Where its requests are counted, before it is used. */
void grant_join(struct grant *grant, struct rates *rates);
/* Counts a request. false: there were too many within this minute. */
bool grant_take(const struct grant *grant, int64_t now_ms, int64_t *remaining, int64_t *reset_s);
