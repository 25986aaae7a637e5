#include "grant.h"

#include "base/lru.h"
#include "contract/messages.h"
#include "must.h"

#include <stdlib.h>
#include <string.h>

enum { RATES_MAX = 20000, MINUTE_S = 60 };

struct rate {
    atomic_size_t references;
    _Atomic uint64_t window; /* its first second in the upper half, requests in the lower */
};

struct rates {
    struct lru *by_id;
};

static void rate_unref(void *value)
{
    struct rate *rate = value;
    if (rate && atomic_fetch_sub(&rate->references, 1) == 1)
        free(rate);
}

static struct rate *rate_ref(struct rate *rate)
{
    atomic_fetch_add_explicit(&rate->references, 1, memory_order_relaxed);
    return rate;
}

void grant_unref(struct grant *grant)
{
    if (!grant || atomic_fetch_sub(&grant->references, 1) != 1)
        return;
    rate_unref(grant->rate);
    free(grant);
}

struct grant *grant_ref(struct grant *grant)
{
    atomic_fetch_add_explicit(&grant->references, 1, memory_order_relaxed);
    return grant;
}

static char *put_text(char **at, const char *text)
{
    char *out = *at;
    size_t size = strlen(text) + 1;
    memcpy(out, text, size);
    *at += size;
    return out;
}

/* One piece of memory: the grant, its list of scopes, its texts. */
struct grant *grant_create(const struct valid_apikey *valid)
{
    const char *name = valid->name ? valid->name : "";
    const char *const *scopes = valid->scopes.items;
    size_t size = sizeof(struct grant) + (valid->scopes.count + 1) * sizeof(char *) + strlen(valid->id) + strlen(name) +
                  2;
    for (size_t i = 0; i < valid->scopes.count; i++)
        size += strlen(scopes[i]) + 1;
    struct grant *grant = must(calloc(1, size));
    const char **list = (const char **)(grant + 1);
    char *text = (char *)(list + valid->scopes.count + 1);
    atomic_init(&grant->references, 1);
    grant->id = put_text(&text, valid->id);
    grant->name = put_text(&text, name);
    for (size_t i = 0; i < valid->scopes.count; i++)
        list[i] = put_text(&text, scopes[i]);
    grant->scopes = list;
    grant->per_minute = valid->rate;
    return grant;
}

bool grant_reaches(const struct grant *grant, const char *path, size_t size)
{
    for (const char *const *scope = grant->scopes; *scope; scope++) {
        size_t length = strlen(*scope);
        if (strcmp(*scope, "GENERAL") == 0)
            return true;
        while (length > 1 && (*scope)[length - 1] == '/')
            length--;
        if (**scope == '/' && length <= size && memcmp(*scope, path, length) == 0 &&
            (length == 1 || length == size || path[length] == '/'))
            return true;
    }
    return false;
}

bool grant_take(struct grant *grant, int64_t now_ms, int64_t *remaining, int64_t *reset_s)
{
    uint64_t now_s = (uint64_t)(now_ms / 1000), old = grant->rate->window, next;
    do {
        bool over = now_s - (old >> 32) >= MINUTE_S;
        uint64_t first = over ? now_s : old >> 32, count = over ? 0 : old & UINT32_MAX;
        *reset_s = (int64_t)(first + MINUTE_S - now_s);
        *remaining = grant->per_minute - (int64_t)count - 1;
        if (*remaining < 0) {
            *remaining = 0;
            return false;
        }
        next = first << 32 | (count + 1);
    } while (!atomic_compare_exchange_weak(&grant->rate->window, &old, next));
    return true;
}

struct rates *rates_create(void)
{
    struct rates *rates = must(calloc(1, sizeof *rates));
    rates->by_id = lru_create(RATES_MAX, rate_unref);
    return rates;
}

void rates_destroy(struct rates *rates)
{
    lru_destroy(rates->by_id);
    free(rates);
}

void rates_join(struct rates *rates, struct grant *grant)
{
    struct rate *rate = lru_get(rates->by_id, grant->id);
    if (!rate) {
        rate = must(calloc(1, sizeof *rate));
        atomic_init(&rate->references, 1);
        lru_put(rates->by_id, grant->id, rate, 0);
    }
    grant->rate = rate_ref(rate);
}
