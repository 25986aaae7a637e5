#include "store/cache.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/breaker.h"
#include "store/redis.h"
#include "store/wait.h"

#include <stdio.h>
#include <string.h>

enum {
    CALL_MS = 20,
    DIAL_MS = 500,
    CONNECTIONS_MAX = 16,
    VALUE_MAX = 1 << 20,
    CACHE_KEY_MAX = 1024,
    WORDS_MAX = 16,
};

/*
 * Callers take connections that are ready. One thread makes new ones: looking
 * up a name and connecting may take longer than any caller waits.
 */
struct cache {
    struct redis_address address;
    struct arena arena;
    struct breaker breaker;
    int64_t call_ms;
    pthread_mutex_t lock;
    pthread_cond_t ready;  /* a connection is idle, or dialing failed */
    pthread_cond_t wanted; /* the dialer has work, or must end */
    redisContext *idle[CONNECTIONS_MAX];
    size_t idle_count, open; /* open: idle, in use, and being dialed */
    size_t dials;            /* wanted */
    size_t failed_dials;
    bool stopping;
    pthread_t dialer;
};

static void dial_done(struct cache *cache, redisContext *redis)
{
    if (redis) {
        cache->idle[cache->idle_count++] = redis;
    } else {
        cache->open--;
        cache->failed_dials++;
    }
    pthread_cond_broadcast(&cache->ready);
}

static void *dialer_main(void *self)
{
    struct cache *cache = self;
    pthread_mutex_lock(&cache->lock);
    for (;;) {
        while (!cache->dials && !cache->stopping)
            pthread_cond_wait(&cache->wanted, &cache->lock);
        if (cache->stopping)
            break;
        cache->dials--;
        pthread_mutex_unlock(&cache->lock);
        redisContext *redis = redis_dial(&cache->address, DIAL_MS);
        pthread_mutex_lock(&cache->lock);
        dial_done(cache, redis);
    }
    pthread_mutex_unlock(&cache->lock);
    return NULL;
}

static void cache_free(struct cache *cache)
{
    for (size_t i = 0; i < cache->idle_count; i++)
        redisFree(cache->idle[i]);
    breaker_finish(&cache->breaker);
    pthread_cond_destroy(&cache->wanted);
    pthread_cond_destroy(&cache->ready);
    pthread_mutex_destroy(&cache->lock);
    arena_free(&cache->arena);
    free(cache);
}

struct cache *cache_open(struct ctx *ctx, const char *url)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        abort();
    pthread_mutex_init(&cache->lock, NULL);
    cache->call_ms = CALL_MS;
    wait_condition(&cache->ready);
    wait_condition(&cache->wanted);
    breaker_init(&cache->breaker, "redis");
    struct ctx own = { 0 };
    bool good = redis_parse(&own, url, &cache->address);
    cache->arena = own.arena;
    if (!good)
        ctx_fail(ctx, own.error->code, "%s", own.error->message);
    else if (pthread_create(&cache->dialer, NULL, dialer_main, cache) == 0)
        return cache;
    else
        ctx_fail(ctx, ERROR_UNAVAILABLE, "no thread to connect with");
    cache_free(cache);
    return NULL;
}

void cache_close(struct cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_lock(&cache->lock);
    cache->stopping = true;
    pthread_cond_signal(&cache->wanted);
    pthread_mutex_unlock(&cache->lock);
    pthread_join(cache->dialer, NULL);
    cache_free(cache);
}

void cache_patience(struct cache *cache, int64_t call_ms)
{
    cache->call_ms = call_ms;
}

bool cache_up(struct cache *cache)
{
    return breaker_closed(&cache->breaker);
}

/* A connection within the deadline, or NULL. */
static redisContext *take(struct ctx *limit, struct cache *cache)
{
    struct timespec until = wait_until(limit);
    redisContext *redis = NULL;
    int waited = 0;
    pthread_mutex_lock(&cache->lock);
    size_t failed = cache->failed_dials;
    bool asked = false;
    while (!cache->idle_count && waited == 0 && failed == cache->failed_dials) {
        if (!asked && cache->open < CONNECTIONS_MAX) {
            asked = true;
            cache->open++;
            cache->dials++;
            pthread_cond_signal(&cache->wanted);
        }
        waited = pthread_cond_timedwait(&cache->ready, &cache->lock, &until);
    }
    if (cache->idle_count)
        redis = cache->idle[--cache->idle_count];
    pthread_mutex_unlock(&cache->lock);
    return redis;
}

static void give(struct cache *cache, redisContext *redis, bool good)
{
    if (!good)
        redisFree(redis);
    pthread_mutex_lock(&cache->lock);
    if (good)
        cache->idle[cache->idle_count++] = redis;
    else
        cache->open--;
    pthread_cond_signal(&cache->ready);
    pthread_mutex_unlock(&cache->lock);
}

/* A command's words; sizes NULL: all are text. */
struct command {
    int count;
    const char *const *words;
    const size_t *sizes;
};

/*
 * Never blocks longer than call_ms and never raises an error. An idle connection may
 * have been closed by the server since (a restart): one more try on another.
 */
static redisReply *call(struct ctx *ctx, struct cache *cache, struct command command)
{
    int64_t left = ctx_left_ms(ctx, cache->call_ms);
    struct ctx limit = { .deadline_ms = clock_ms() + left };
    if (!left || !breaker_try(&cache->breaker))
        return NULL;
    redisReply *reply = NULL;
    for (int attempt = 0; !reply && attempt < 1 + CONNECTIONS_MAX; attempt++) {
        redisContext *redis = take(&limit, cache);
        if (!redis)
            break;
        reply = redis_call(redis, ctx_left_ms(&limit, cache->call_ms), command.count, command.words, command.sizes);
        bool closed = redis->err == REDIS_ERR_EOF || redis->err == REDIS_ERR_IO;
        give(cache, redis, reply != NULL);
        if (!closed)
            break;
    }
    if (reply || left == cache->call_ms) /* a caller in a hurry says nothing about Redis */
        breaker_note(&cache->breaker, reply != NULL);
    return reply;
}

char *cache_get(struct ctx *ctx, struct cache *cache, const char *key, size_t *size)
{
    const char *words[] = { "GET", key };
    _cleanup_(redis_reply_freep) redisReply *reply = call(ctx, cache, (struct command){ 2, words, NULL });
    if (!reply || reply->type != REDIS_REPLY_STRING)
        return NULL;
    if (size)
        *size = reply->len;
    return arena_memdup(&ctx->arena, reply->str, reply->len);
}

bool cache_put(struct ctx *ctx, struct cache *cache, const char *key, const void *value, size_t size, int64_t ttl_ms)
{
    if (ttl_ms <= 0 || size > VALUE_MAX || strlen(key) > CACHE_KEY_MAX)
        return false;
    char ttl[24];
    int ttl_size = snprintf(ttl, sizeof ttl, "%lld", (long long)ttl_ms);
    const char *words[] = { "SET", key, size ? value : "", "PX", ttl };
    const size_t sizes[] = { 3, strlen(key), size, 2, (size_t)ttl_size };
    _cleanup_(redis_reply_freep) redisReply *reply = call(ctx, cache, (struct command){ 5, words, sizes });
    return reply && reply->type == REDIS_REPLY_STATUS;
}

bool cache_drop(struct ctx *ctx, struct cache *cache, const char *key)
{
    const char *words[] = { "DEL", key };
    _cleanup_(redis_reply_freep) redisReply *reply = call(ctx, cache, (struct command){ 2, words, NULL });
    return reply && reply->type == REDIS_REPLY_INTEGER;
}

bool cache_count(struct ctx *ctx, struct cache *cache, const char *key, int64_t by, int64_t ttl_ms, int64_t *after)
{
    /* In one step: a key must never be left without an end. */
    static const char script[] = "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) "
                                 "if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end "
                                 "return n";
    if (ttl_ms <= 0 || strlen(key) > CACHE_KEY_MAX)
        return false;
    char step[24], ttl[24];
    snprintf(step, sizeof step, "%lld", (long long)by);
    snprintf(ttl, sizeof ttl, "%lld", (long long)ttl_ms);
    const char *words[] = { "EVAL", script, "1", key, step, ttl };
    _cleanup_(redis_reply_freep) redisReply *reply = call(ctx, cache, (struct command){ 6, words, NULL });
    if (!reply || reply->type != REDIS_REPLY_INTEGER)
        return false;
    if (after)
        *after = reply->integer;
    return true;
}

bool cache_run(struct ctx *ctx, struct cache *cache, const char *script, size_t keys, const char *const *words,
               int64_t *out, size_t count)
{
    char keys_text[24];
    const char *all[3 + WORDS_MAX] = { "EVAL", script, keys_text };
    int used = 3;
    snprintf(keys_text, sizeof keys_text, "%zu", keys);
    for (; *words && used < 3 + WORDS_MAX; words++)
        all[used++] = *words;
    _cleanup_(redis_reply_freep) redisReply *reply = call(ctx, cache, (struct command){ used, all, NULL });
    if (*words || !reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER)
            return false;
        out[i] = reply->element[i]->integer;
    }
    return true;
}

bool cache_ping(struct ctx *ctx, struct cache *cache)
{
    static const char *const words[] = { "PING" };
    _cleanup_(redis_reply_freep) redisReply *reply = call(ctx, cache, (struct command){ 1, words, NULL });
    return reply && reply->type == REDIS_REPLY_STATUS;
}
