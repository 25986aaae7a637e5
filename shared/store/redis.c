/*
 * hiredis' own time limits are per read, so a server that drips could hold a
 * caller for long: the connection does not block, and the waiting is here.
 */
#include "store/redis.h"

#include "base/clock.h"
#include "base/percent.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static bool parse_user(struct ctx *ctx, const char *text, size_t size, struct redis_address *out)
{
    const char *colon = memchr(text, ':', size);
    size_t user = colon ? (size_t)(colon - text) : 0;
    out->user = user ? percent_decode(&ctx->arena, text, user, 0, NULL) : NULL;
    out->password = colon ? percent_decode(&ctx->arena, colon + 1, size - user - 1, 0, NULL)
                          : percent_decode(&ctx->arena, text, size, 0, NULL);
    return out->password && (!user || out->user);
}

/* HOST[:PORT][/DB], the host perhaps in brackets. */
static bool parse_host(struct ctx *ctx, const char *text, struct redis_address *out)
{
    size_t size = *text == '[' ? strcspn(text, "]") : strcspn(text, ":/");
    const char *rest = text + size;
    if (*text == '[') {
        if (*rest++ != ']')
            return false;
        text++;
        size--;
    }
    out->host = arena_memdup(&ctx->arena, text, size);
    int64_t port = 6379;
    if (*rest == ':') {
        size_t digits = strcspn(++rest, "/");
        if (!text_number(arena_memdup(&ctx->arena, rest, digits), 65535, &port))
            return false;
        rest += digits;
    }
    out->port = (int)port;
    if (*rest == '/')
        rest++;
    return size && port && (!*rest || text_number(rest, 1000000, &out->db));
}

bool redis_parse(struct ctx *ctx, const char *url, struct redis_address *out)
{
    *out = (struct redis_address){ 0 };
    if (text_starts(url, "rediss://"))
        return ctx_fail(
            ctx, ERROR_INVALID,
            "rediss:// cannot be had: hiredis 0.14 has no TLS; take redis:// on loopback, unix:, or a stunnel");
    if (text_starts(url, "unix:") && url[strlen("unix:")] == '/') {
        out->path = arena_strdup(&ctx->arena, url + strlen("unix:"));
        return true;
    }
    bool good = text_starts(url, "redis://");
    const char *rest = good ? url + strlen("redis://") : url, *at = strrchr(rest, '@');
    if (good && at)
        good = parse_user(ctx, rest, (size_t)(at - rest), out);
    if (!good || !parse_host(ctx, at ? at + 1 : rest, out))
        return ctx_fail(ctx, ERROR_INVALID, "Redis is redis://[:PASSWORD@]HOST:PORT/DB or unix:/PATH");
    return true;
}

static bool wait_for(const redisContext *redis, short events, int64_t until)
{
    for (;;) {
        int64_t left = until - clock_ms();
        if (left <= 0)
            return false;
        int n = poll(&(struct pollfd){ .fd = redis->fd, .events = events }, 1, (int)left);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

bool redis_send(redisContext *redis, int64_t until)
{
    for (int done = 0; !done;) {
        if (redisBufferWrite(redis, &done) != REDIS_OK)
            return false;
        if (!done && !wait_for(redis, POLLOUT, until))
            return false;
    }
    return true;
}

bool redis_closed(const redisContext *redis)
{
    char byte;
    return recv(redis->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

redisReply *redis_hear(redisContext *redis, int64_t until)
{
    void *reply = NULL;
    while (redisGetReplyFromReader(redis, &reply) == REDIS_OK && !reply)
        if (!wait_for(redis, POLLIN, until) || redisBufferRead(redis) != REDIS_OK)
            return NULL;
    return reply;
}

redisReply *redis_call(redisContext *redis, int64_t limit_ms, int count, const char *const *words, const size_t *sizes)
{
    int64_t until = clock_ms() + limit_ms;
    bool sent = redisAppendCommandArgv(redis, count, (const char **)words, sizes) == REDIS_OK &&
                redis_send(redis, until);
    return sent ? redis_hear(redis, until) : NULL;
}

static bool command_ok(redisContext *redis, int64_t limit_ms, int count, const char *const *words)
{
    _cleanup_(redis_reply_freep) redisReply *reply = redis_call(redis, limit_ms, count, words, NULL);
    return reply && reply->type != REDIS_REPLY_ERROR;
}

static bool connected(redisContext *redis, int64_t until)
{
    int error = 0;
    socklen_t size = sizeof error;
    return !redis->err && wait_for(redis, POLLOUT, until) &&
           getsockopt(redis->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

static bool sign_in(redisContext *redis, const struct redis_address *address, int64_t limit_ms)
{
    const char *auth[] = { "AUTH", address->user ? address->user : address->password, address->password };
    if (address->password && !command_ok(redis, limit_ms, address->user ? 3 : 2, auth))
        return false;
    char db[24];
    snprintf(db, sizeof db, "%lld", (long long)address->db);
    return command_ok(redis, limit_ms, 2, (const char *const[]){ "SELECT", db });
}

redisContext *redis_dial(const struct redis_address *address, int64_t limit_ms)
{
    redisContext *redis = address->path ? redisConnectUnixNonBlock(address->path)
                                        : redisConnectNonBlock(address->host, address->port);
    if (redis && connected(redis, clock_ms() + limit_ms) && sign_in(redis, address, limit_ms))
        return redis;
    if (redis)
        redisFree(redis);
    return NULL;
}
