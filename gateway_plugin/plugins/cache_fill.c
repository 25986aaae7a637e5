/* From a member's answer to one that is kept. */
#include "plugins/proxy_cache.h"

#include "base/clock.h"
#include "exchange/forward_rules.h"

#include <stdio.h>
#include <string.h>

enum { NEVER_MS = 10000 }; /* for so long nobody waits for an answer that was not to be kept the last time */

static bool is_status(const struct proxy_cache *config, int status)
{
    for (size_t i = 0; i < config->response_code.count; i++)
        if (config->response_code.items[i] == status)
            return true;
    return false;
}

static bool same_part(const char *want, size_t want_size, const char *have, size_t have_size)
{
    return (want_size == 1 && *want == '*') || (want_size == have_size && strncasecmp(want, have, want_size) == 0);
}

/* As in Kong: type and subtype, each may be `*`; parameters count where the file names some. */
static bool is_type(const char *want, const struct reply_field *type)
{
    size_t want_size = strcspn(want, "; "), have_size = 0;
    while (have_size < type->value_size && !strchr("; ", type->value[have_size]))
        have_size++;
    if (want[want_size])
        return strlen(want) == type->value_size && strncasecmp(want, type->value, type->value_size) == 0;
    const char *want_slash = memchr(want, '/', want_size), *have_slash = memchr(type->value, '/', have_size);
    if (!want_slash || !have_slash)
        return false;
    size_t want_part = (size_t)(want_slash - want), have_part = (size_t)(have_slash - type->value);
    return same_part(want, want_part, type->value, have_part) &&
           same_part(want_slash + 1, want_size - want_part - 1, have_slash + 1, have_size - have_part - 1);
}

static bool is_listed(const struct proxy_cache *config, const struct cached *cached)
{
    const struct reply_field *type = cached_field(cached, "content-type");
    for (size_t i = 0; type && i < config->content_type.count; i++)
        if (is_type(config->content_type.items[i], type))
            return true;
    return false;
}

bool cache_fill_begin(struct cache_fill *fill, const struct reply_head *head)
{
    const struct proxy_cache *config = fill->config;
    struct cache_policy policy = { config->cache_control, config->cache_ttl, config->storage_ttl, fill->authorized };
    bool fits = head->end == BODY_NONE || head->length == UINT64_MAX || head->length <= answer_cache_most(fill->cache);
    if (!fits || !is_status(config, head->status))
        return false;
    struct cached *cached = cached_create(fill->base, head);
    if (is_listed(config, cached) && cache_judge(cached, head, &policy, clock_now_ms() / 1000) &&
        answer_cache_hold(fill->cache, cached->cost)) {
        cached->asked_us = fill->asked_us;
        cached->target = fill->target;
        fill->held = cached->cost;
        fill->cached = cached;
        return true;
    }
    cached_unref(cached);
    return false;
}

bool cache_fill_add(struct cache_fill *fill, const char *data, size_t size)
{
    size_t before = fill->cached->cost;
    bool good = cached_add(fill->cached, data, size, answer_cache_most(fill->cache));
    size_t more = fill->cached->cost - before;
    if (good && more) {
        good = answer_cache_hold(fill->cache, more);
        fill->held += good ? more : 0;
    }
    if (!good)
        cache_fill_drop(fill);
    return good;
}

void cache_fill_drop(struct cache_fill *fill)
{
    answer_cache_release(fill->cache, fill->held);
    cached_unref(fill->cached);
    fill->cached = NULL;
    fill->held = 0;
}

void cache_fill_commit(struct cache_fill *fill, const char *key, int64_t now_ms)
{
    struct cached *cached = cached_ref(fill->cached);
    snprintf(cached->key, sizeof cached->key, "%s", key);
    cached->stored_ms = now_ms;
    if (cached->vary) {
        struct cached *mark = cached_mark(CACHED_VARY, fill->base, cached->vary);
        mark->stored_ms = now_ms;
        mark->keep_ms = cached->keep_ms;
        answer_cache_put(fill->cache, mark);
    }
    cache_fill_drop(fill);
    answer_cache_put(fill->cache, cached);
}

void cache_never(struct answer_cache *cache, const char *key, int64_t now_ms)
{
    struct cached *mark = cached_mark(CACHED_NEVER, key, NULL);
    mark->stored_ms = now_ms;
    mark->keep_ms = NEVER_MS;
    answer_cache_put(cache, mark);
}
