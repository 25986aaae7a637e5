/*
 * An account is a hash of n, how many, and t, when the last was; an address is a list of times, the newest first. All
 * times are those of Redis, so that replicas need not agree on the hour. Every key has an end.
 */
#include "lockout/tallies.h"

#include <inttypes.h>
#include <stdio.h>

#define NOW                                                                                                            \
    "local clock = redis.call('TIME') "                                                                                \
    "local now = clock[1] * 1000 + math.floor(clock[2] / 1000) "

static const char read_script[] = /* keys: here, everywhere, address; argument: the address' limit */
    NOW "local function failures(key) "
        "  local f = redis.call('HMGET', key, 'n', 't') "
        "  if not f[1] then return 0, 0 end "
        "  return tonumber(f[1]), now - tonumber(f[2]) "
        "end "
        "local here, here_age = failures(KEYS[1]) "
        "local everywhere, everywhere_age = failures(KEYS[2]) "
        "local nth = redis.call('LINDEX', KEYS[3], ARGV[1] - 1) "
        "return {here, here_age, everywhere, everywhere_age, nth and now - tonumber(nth) or -1}";

static const char add_script[] = /* arguments: how long accounts are remembered, how long and how many of an address */
    NOW "local text = string.format('%.0f', now) "
        "for i = 1, 2 do "
        "  redis.call('HINCRBY', KEYS[i], 'n', 1) "
        "  redis.call('HSET', KEYS[i], 't', text) "
        "  redis.call('PEXPIRE', KEYS[i], ARGV[1]) "
        "end "
        "redis.call('LPUSH', KEYS[3], text) "
        "redis.call('LTRIM', KEYS[3], 0, ARGV[3] - 1) "
        "redis.call('PEXPIRE', KEYS[3], ARGV[2]) "
        "return {1}";

static const char clear_script[] =
    "local n = tonumber(redis.call('HGET', KEYS[1], 'n')) or 0 "
    "if n > 0 then "
    "  redis.call('DEL', KEYS[1]) "
    "  if (tonumber(redis.call('HGET', KEYS[2], 'n')) or 0) <= n then redis.call('DEL', KEYS[2]) "
    "  else redis.call('HINCRBY', KEYS[2], 'n', -n) end "
    "  redis.call('LTRIM', KEYS[3], n, -1) "
    "end "
    "return {n}";

enum { KEYS = 3, NUMBER_TEXT = 24 };

bool shared_tallies_read(struct ctx *ctx, struct cache *cache, const struct tally_keys *keys, int64_t address_limit,
                         struct tallies *out)
{
    char limit[NUMBER_TEXT];
    int64_t is[5];
    snprintf(limit, sizeof limit, "%" PRId64, address_limit);
    const char *const words[] = { keys->here, keys->everywhere, keys->address, limit, NULL };
    if (!cache_run(ctx, cache, read_script, KEYS, words, is, 5))
        return false;
    *out = (struct tallies){ { is[0], is[1] }, { is[2], is[3] }, is[4] };
    return true;
}

bool shared_tallies_add(struct ctx *ctx, struct cache *cache, const struct tally_keys *keys)
{
    char remembered[NUMBER_TEXT], window[NUMBER_TEXT], most[NUMBER_TEXT];
    int64_t done;
    snprintf(remembered, sizeof remembered, "%d", REMEMBERED_MS);
    snprintf(window, sizeof window, "%d", ADDRESS_WINDOW_MS);
    snprintf(most, sizeof most, "%d", ADDRESS_FAILURES_MAX);
    const char *const words[] = { keys->here, keys->everywhere, keys->address, remembered, window, most, NULL };
    return cache_run(ctx, cache, add_script, KEYS, words, &done, 1);
}

bool shared_tallies_clear(struct ctx *ctx, struct cache *cache, const struct tally_keys *keys)
{
    int64_t cleared;
    const char *const words[] = { keys->here, keys->everywhere, keys->address, NULL };
    return cache_run(ctx, cache, clear_script, KEYS, words, &cleared, 1);
}
