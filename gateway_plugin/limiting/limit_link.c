#include "limiting/limit_link_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "limiting/limit_script.h"
#include "limiting/limit_sync.h"
#include "must.h"

#include <string.h>

/* A test of what is counted has an edge that waits for a busy machine, too. */
#ifndef LIMIT_CALL_MS
#define LIMIT_CALL_MS 20
#endif

enum {
    CALL_MS = LIMIT_CALL_MS, /* a request waits no longer; config.redis.timeout may make it less */
    DIAL_MS = 500,
    RETRY_MS = 200,
    SYNC_MS = 500,
    IDLE_MS = 60000,
    LOG_MS = 10000,
    BATCH_MAX = 128,
    QUEUE_MAX = 4096,
};

/* Answers */

static void deliver(struct loop *loop, struct message *message)
{
    struct limit_ask *ask = (struct limit_ask *)message;
    (void)loop;
    if (ask->answer)
        ask->answer(ask->self, ask);
    free(ask);
}

static void answer(struct limit_ask *ask, bool away)
{
    ask->away = away;
    loop_send(ask->loop, &ask->message);
}

static void answer_away(struct limit_ask *ask)
{
    for (struct limit_ask *next; ask; ask = next) {
        next = ask->next;
        answer(ask, true);
    }
}

/* The thread */

/* Every outage once, its end once; a Redis that comes and goes must not fill the disk. */
static void tell(struct limit_link *link, bool away, const char *why)
{
    int64_t now = clock_ms(), *logged = &link->logged_ms[away];
    if (link->away == away)
        return;
    link->away = away;
    if (*logged && now - *logged < LOG_MS)
        return;
    *logged = now;
    if (away)
        log_warn(NULL, "the Redis of a rate limit is away", "host", link->options.host, "why", why);
    else
        log_info(NULL, "the Redis of a rate limit is back", "host", link->options.host);
}

static struct limit_ask *set_up(struct limit_link *link, bool up)
{
    pthread_mutex_lock(&link->lock);
    link->up = up;
    struct limit_ask *left = up ? NULL : link->first;
    if (!up) {
        link->first = NULL;
        link->last = &link->first;
        link->queued = 0;
    }
    pthread_mutex_unlock(&link->lock);
    return left;
}

static void lose(struct limit_link *link, const char *why)
{
    tell(link, true, why);
    if (link->redis)
        redisFree(link->redis);
    link->redis = NULL;
    answer_away(set_up(link, false));
}

static bool dial(struct limit_link *link)
{
    link->redis = redis_dial(&link->address, DIAL_MS);
    if (link->redis) {
        set_up(link, true);
        tell(link, false, NULL);
    } else {
        tell(link, true, "it cannot be connected to, or does not let us in");
    }
    atomic_store(&link->tried, true);
    return link->redis;
}

/* Waits for work, at most `ms`. At most BATCH_MAX questions, in the order in which they were asked. */
static struct limit_ask *take_batch(struct limit_link *link, int64_t ms, bool *stopping)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000) % 1000000000;
    pthread_mutex_lock(&link->lock);
    while (!link->first && !link->stopping)
        if (pthread_cond_timedwait(&link->work, &link->lock, &until) != 0)
            break;
    struct limit_ask *batch = link->first, **end = &batch;
    for (size_t i = 0; i < BATCH_MAX && *end; i++) {
        end = &(*end)->next;
        link->queued--;
    }
    link->first = *end;
    if (!link->first)
        link->last = &link->first;
    *end = NULL;
    *stopping = link->stopping;
    pthread_mutex_unlock(&link->lock);
    return batch;
}

/* Asks all, then hears all. What is left in `*batch` has no answer. NULL, or why not. */
static const char *ask_batch(struct limit_link *link, struct limit_ask **batch)
{
    int64_t limit = link->options.timeout_ms < CALL_MS ? link->options.timeout_ms : CALL_MS, until = clock_ms() + limit;
    for (const struct limit_ask *ask = *batch; ask; ask = ask->next)
        limit_script_append(link->redis, ask->who, ask->limits, ask->now_s);
    if (!redis_send(link->redis, until))
        return "it takes nothing";
    while (*batch) {
        struct limit_ask *ask = *batch;
        _cleanup_(redis_reply_freep) redisReply *reply = redis_hear(link->redis, until);
        if (!reply)
            return link->redis->err == REDIS_ERR_EOF ? "it closed the connection" : "it does not answer in time";
        if (!limit_script_read(reply, ask->limits, ask->used))
            return "it does not count";
        *batch = ask->next;
        answer(ask, false);
    }
    return NULL;
}

static bool dial_anew(struct limit_link *link)
{
    redisFree(link->redis);
    link->redis = redis_dial(&link->address, CALL_MS);
    return link->redis;
}

/* A connection that was idle may have been closed meanwhile: a new one, before anything is asked on the old. */
static const char *renew(struct limit_link *link)
{
    return !redis_closed(link->redis) || dial_anew(link) ? NULL : "it closed the connection";
}

/* One batch that was not answered makes no outage: a busy machine may stand still for so long. Two in a row do. */
static void serve(struct limit_link *link, struct limit_ask *batch)
{
    const char *fault = renew(link);
    if (!fault)
        fault = ask_batch(link, &batch);
    bool again = fault && link->redis && !link->failed;
    link->failed = fault;
    answer_away(batch);
    if (fault && (!again || !dial_anew(link)))
        lose(link, fault);
}

static void synchronise(struct limit_link *link)
{
    const char *fault = limit_sync_run(link->sync, link->redis, clock_ms() + SYNC_MS);
    link->synced_ms = clock_ms();
    if (fault)
        lose(link, fault);
}

static int64_t until_sync(const struct limit_link *link)
{
    int64_t left = link->sync ? link->synced_ms + link->options.sync_ms - clock_ms() : IDLE_MS;
    return left > 0 ? left : 0;
}

void *limit_link_run(void *self)
{
    struct limit_link *link = self;
    pthread_setname_np(pthread_self(), "limits");
    for (bool stopping = false; !stopping;) {
        if (!link->redis && !dial(link)) {
            answer_away(take_batch(link, RETRY_MS, &stopping));
            continue;
        }
        struct limit_ask *batch = take_batch(link, until_sync(link), &stopping);
        if (batch)
            serve(link, batch);
        if (link->redis && link->sync && (stopping || !until_sync(link)))
            synchronise(link);
    }
    answer_away(set_up(link, false));
    if (link->redis)
        redisFree(link->redis);
    link->redis = NULL;
    return NULL;
}

/* Questions */

struct limit_ask *limit_ask_create(const char *who)
{
    struct limit_ask *ask = must(calloc(1, sizeof *ask + strlen(who) + 1));
    ask->message.run = deliver;
    strcpy(ask->who, who);
    return ask;
}

void limit_ask_cancel(void *self)
{
    struct limit_ask *ask = self;
    ask->answer = NULL;
}

void limit_link_ask(struct limit_link *link, struct limit_ask *ask)
{
    pthread_mutex_lock(&link->lock);
    bool taken = link->up && !link->stopping && link->queued < QUEUE_MAX;
    if (taken) {
        *link->last = ask;
        link->last = &ask->next;
        link->queued++;
        pthread_cond_signal(&link->work);
    }
    pthread_mutex_unlock(&link->lock);
    if (!taken)
        answer(ask, true);
}

void limit_link_note(struct limit_link *link, const char *who, const int64_t limits[PERIODS], int64_t now_s)
{
    limit_sync_note(link->sync, who, limits, now_s);
}
