#include "limiting/limit_script.h"

#include <stdio.h>
#include <string.h>

/* In one step: two edges that ask at a time must not both find the last place free. */
static const char take[] = "local used, room = {}, true "
                           "for i = 1, #KEYS do "
                           "used[i] = tonumber(redis.call('GET', KEYS[i]) or 0) "
                           "room = room and used[i] < tonumber(ARGV[i]) end "
                           "if room then for i = 1, #KEYS do "
                           "if redis.call('INCR', KEYS[i]) == 1 then redis.call('EXPIRE', KEYS[i], ARGV[#KEYS + i]) "
                           "end end end "
                           "return used";

static const char add[] =
    "local all = {} "
    "for i = 1, #KEYS do "
    "all[i] = redis.call('INCRBY', KEYS[i], ARGV[i]) "
    "if redis.call('TTL', KEYS[i]) < 0 then redis.call('EXPIRE', KEYS[i], ARGV[#KEYS + i]) end end "
    "return all";

enum { KEY_ROOM = 768, NUMBER_ROOM = 24 };

static void append(redisContext *redis, const char *script, const char *who, const int64_t numbers[PERIODS],
                   int64_t now_s)
{
    char keys[PERIODS][KEY_ROOM], texts[PERIODS][NUMBER_ROOM], lives[PERIODS][NUMBER_ROOM], number[NUMBER_ROOM];
    const char *words[3 + 3 * PERIODS] = { "EVAL", script, number };
    int count = 0;
    for (enum period i = 0; i < PERIODS; i++)
        count += numbers[i] != 0;
    for (enum period i = 0, at = 3; i < PERIODS; i++) {
        if (!numbers[i])
            continue;
        struct window window = period_window(i, now_s);
        /* The braces keep all keys of one who is limited on one node of a cluster. */
        snprintf(keys[i], KEY_ROOM, "ratelimit:{%s}:%lld:%s", who, (long long)window.start, period_names[i]);
        snprintf(texts[i], NUMBER_ROOM, "%lld", (long long)numbers[i]);
        snprintf(lives[i], NUMBER_ROOM, "%lld", (long long)(window.end - window.start));
        words[at] = keys[i];
        words[at + count] = texts[i];
        words[at + 2 * count] = lives[i];
        at++;
    }
    snprintf(number, sizeof number, "%d", count);
    redisAppendCommandArgv(redis, 3 + 3 * count, words, NULL);
}

void limit_script_append(redisContext *redis, const char *who, const int64_t limits[PERIODS], int64_t now_s)
{
    append(redis, take, who, limits, now_s);
}

void limit_script_append_news(redisContext *redis, const char *who, const int64_t news[PERIODS], int64_t now_s)
{
    append(redis, add, who, news, now_s);
}

bool limit_script_read(const redisReply *reply, const int64_t asked[PERIODS], int64_t out[PERIODS])
{
    size_t at = 0;
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    for (enum period i = 0; i < PERIODS; i++) {
        if (!asked[i])
            continue;
        if (at == reply->elements || reply->element[at]->type != REDIS_REPLY_INTEGER)
            return false;
        out[i] = reply->element[at++]->integer;
    }
    return at == reply->elements;
}
