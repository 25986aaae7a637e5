#pragma once
/* What an API key may do: its scopes, and how many requests a minute. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate;
struct rates;
struct valid_apikey;

/* Counted; texts live with it. Any thread. */
struct grant {
    atomic_size_t references;
    const char *id, *name;
    const char *const *scopes; /* GENERAL, or prefixes of the public path; NULL-terminated */
    int64_t per_minute;        /* 0: no limit */
    struct rate *rate;         /* of all grants with this id */
};

struct grant *grant_create(const struct valid_apikey *valid);
struct grant *grant_ref(struct grant *grant);
void grant_unref(struct grant *grant);
bool grant_reaches(const struct grant *grant, const char *path, size_t size);
/* Counts a request. false: there were too many within this minute. Only after rates_join(). */
bool grant_take(struct grant *grant, int64_t now_ms, int64_t *remaining, int64_t *reset_s);

/* The counts by id: they outlive a grant, which is asked for anew every minute. Bounded; not locked. */
struct rates *rates_create(void);
void rates_destroy(struct rates *rates);
void rates_join(struct rates *rates, struct grant *grant);
