#pragma once
/* One connection to Redis, every step of it under a deadline. For shared/store and for the edge's limits. */
#include "base/cleanup.h"
#include "base/ctx.h"

#include <hiredis.h>

struct redis_address {
    const char *host; /* NULL: path */
    int port;
    const char *path;
    const char *user, *password; /* NULL: none */
    int64_t db;
};

/* ERROR_INVALID says what a URL may be. */
bool redis_parse(struct ctx *ctx, const char *url, struct redis_address *out);
/* Connects, signs in, selects the database; NULL when that did not come about within `limit_ms` (looking up the host's
 * name not counted). */
redisContext *redis_dial(const struct redis_address *address, int64_t limit_ms);

/* One command and its reply. NULL: the connection is of no use any more. */
redisReply *redis_call(redisContext *redis, int64_t limit_ms, int count, const char *const *words, const size_t *sizes);
/* It was idle, and the server has closed it meanwhile (a restart). */
bool redis_closed(const redisContext *redis);
/* Several at a time: what redisAppendCommandArgv() took is sent, then as many replies are heard, each until that time
 * on clock_ms(). false, NULL: the connection is of no use any more. */
bool redis_send(redisContext *redis, int64_t until);
redisReply *redis_hear(redisContext *redis, int64_t until);

static inline void redis_reply_freep(redisReply **reply)
{
    if (*reply)
        freeReplyObject(*reply);
}
