#pragma once
/*
 * What Redis is asked. One script counts a request in all windows, or in none
 * where one is full; the other counts what has gathered.
 */
#include "limiting/periods.h"

#include <hiredis.h>
#include <stdbool.h>

/* For redis_send(). `limits`, `news`: 0 where there is none. The answer: what was used before, what there is in all. */
void limit_script_append(redisContext *redis, const char *who, const int64_t limits[PERIODS], int64_t now_s);
void limit_script_append_news(redisContext *redis, const char *who, const int64_t news[PERIODS], int64_t now_s);
/* The answer, where `asked` is not 0, into `out`. false: it is none. */
bool limit_script_read(const redisReply *reply, const int64_t asked[PERIODS], int64_t out[PERIODS]);
