#pragma once
/* The parts of proxy-cache: settings, keys, filling, refreshing behind a client's back. */
#include "caching/answer_cache.h"
#include "caching/cache_rules.h"
#include "exchange/exchange.h"

struct proxy_cache {
    struct integers response_code;
    struct texts request_method, content_type, vary_query_params, vary_headers;
    int64_t cache_ttl, storage_ttl;
    bool cache_control, ignore_uri_case;
    bool tell_age, tell_status, tell_key;
};

enum cache_status { CACHE_BYPASS, CACHE_MISS, CACHE_HIT, CACHE_STALE, CACHE_REFRESH };

/* An answer on its way into the cache. */
struct cache_fill {
    const struct proxy_cache *config;
    struct answer_cache *cache;
    char base[65];
    uint32_t target;
    bool authorized;
    int64_t asked_us;
    struct cached *cached; /* NULL: not to be kept */
    size_t held;           /* bytes that the cache counts */
};

/* What proxy-cache keeps of an exchange. */
struct caching {
    struct tap tap; /* first */
    struct cache_fill fill;
    enum cache_status status;
    char key[65]; /* with what Vary names */
    bool keyed, conditional;
    struct directives wants; /* of the request */
    struct flight *flight;
    struct cached *given;
};

/* Of what is asked for, without what Vary names. */
void cache_key_base(const struct exchange *x, const struct proxy_cache *config, char key[65]);
/* `base` and the request's values of the headers that `vary` names. */
void cache_key_varied(const struct exchange *x, const char *base, const char *vary, char key[65]);
/* Of path and service, for answer_cache_forget(). Never 0. */
uint32_t cache_target(const struct exchange *x);

/* false: it is not to be kept. */
bool cache_fill_begin(struct cache_fill *fill, const struct reply_head *head);
/* false: it has become too large, and is forgotten. */
bool cache_fill_add(struct cache_fill *fill, const char *data, size_t size);
void cache_fill_drop(struct cache_fill *fill);
/* It is whole: from now on it answers. */
void cache_fill_commit(struct cache_fill *fill, const char *key, int64_t now_ms);
/* What is at this key is not to be kept: nobody need wait for it. */
void cache_never(struct answer_cache *cache, const char *key, int64_t now_ms);
