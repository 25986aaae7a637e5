#pragma once
/*
 * Redis: what may be lost. 20 ms a call and a breaker: when it is down things
 * are slower, never wrong; no call here fails a request. Any thread.
 * `redis://[:password@]host:port/db`, `unix:/path`; `rediss://` is refused
 * with the reason (hiredis 0.14 has no TLS).
 */
#include "base/ctx.h"

struct cache;

struct cache *cache_open(struct ctx *ctx,
                         const char *url); /* connects on first use; fails only for a URL it cannot take */
void cache_close(struct cache *cache);
/* What a call may take instead of the 20 ms, for callers to whom a wrong answer is dearer. Before the first call. */
void cache_patience(struct cache *cache, int64_t call_ms);
bool cache_up(struct cache *cache); /* as far as the last calls tell: for /ready */

/* NULL: not there, or Redis is away. In ctx->arena. */
char *cache_get(struct ctx *ctx, struct cache *cache, const char *key, size_t *size);
/* Always with an end: ttl_ms > 0. */
bool cache_put(struct ctx *ctx, struct cache *cache, const char *key, const void *value, size_t size, int64_t ttl_ms);
bool cache_drop(struct ctx *ctx, struct cache *cache, const char *key);
/* INCRBY and, for a new key, PEXPIRE in one step. false: Redis is away. */
bool cache_count(struct ctx *ctx, struct cache *cache, const char *key, int64_t by, int64_t ttl_ms, int64_t *after);
/*
 * Runs a Lua script in one step. `words` are `keys` keys, then its arguments, and NULL; at most 16. It answers with a
 * list of integers, of which the first `count` become `out`. false: Redis is away, or answers something else.
 */
bool cache_run(struct ctx *ctx, struct cache *cache, const char *script, size_t keys, const char *const *words,
               int64_t *out, size_t count);
/* A round trip, for /ready. */
bool cache_ping(struct ctx *ctx, struct cache *cache);
