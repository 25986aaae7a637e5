#include "nats/follow.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum { POLL_MS = 500, RETRY_MS = 200, RETRY_MOST_MS = 5000, HINTS = 8, FRESH_MS = 2000, STOP_MS = 1000 };

struct follow {
    struct follow_options options;
    char stream[64];
    struct listening *listenings[HINTS];
    size_t listening_count;

    /* The thread's own. */
    bool attached;
    uint64_t after;
    int64_t created_ms;
    int64_t delay_ms; /* after a failure */
    size_t again;     /* looks already made for a hint whose message was not in the stream yet */

    pthread_mutex_t mutex; /* what follows */
    pthread_cond_t woken;
    bool stopping;
    bool hinted;
    bool connected; /* anew */
    uint64_t known_epoch, lag_epoch;
    int64_t known_ms, lag;
    pthread_t thread;
};

static void set_lag(struct follow *follow, uint64_t epoch, int64_t lag)
{
    pthread_mutex_lock(&follow->mutex);
    follow->lag_epoch = epoch;
    follow->lag = lag;
    pthread_mutex_unlock(&follow->mutex);
}

static void set_known(struct follow *follow, uint64_t epoch, int64_t known_ms)
{
    pthread_mutex_lock(&follow->mutex);
    follow->known_epoch = epoch;
    follow->known_ms = known_ms;
    pthread_mutex_unlock(&follow->mutex);
    set_lag(follow, epoch, 0);
}

static bool fits(const struct follow *follow, const struct stream_info *info)
{
    bool same = !follow->attached || follow->created_ms == info->created_ms;
    return same && follow->after <= info->last && follow->after + 1 >= info->first;
}

static bool attach(struct follow *follow, const struct stream_info *info)
{
    if (!follow->attached && follow->options.from_start)
        follow->after = info->first - 1;
    else if (!fits(follow, info) && !follow->options.lost(follow->options.self, info, &follow->after))
        return false;
    if (follow->after + 1 < info->first)
        follow->after = info->first - 1;
    if (follow->after > info->last)
        follow->after = info->last;
    follow->created_ms = info->created_ms;
    follow->attached = true;
    return true;
}

static bool handle_batch(struct follow *follow, const struct stream_message *messages, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i].sequence && !follow->options.message(follow->options.self, &messages[i]))
            return false;
        follow->after = first + i; /* one that is not there any more too */
    }
    return true;
}

static bool stopping(struct follow *follow)
{
    pthread_mutex_lock(&follow->mutex);
    bool out = follow->stopping;
    pthread_mutex_unlock(&follow->mutex);
    return out;
}

static bool read_up_to(struct follow *follow, uint64_t last, uint64_t epoch)
{
    bool good = true;
    while (good && follow->after < last && !stopping(follow)) {
        struct ctx ctx = { 0 };
        struct stream_message messages[JS_BATCH] = { 0 };
        uint64_t first = follow->after + 1, left = last - follow->after;
        size_t count = left < JS_BATCH ? (size_t)left : JS_BATCH;
        good = js_read(&ctx, follow->options.bus, follow->stream, first, count, messages) &&
               handle_batch(follow, messages, first, count);
        ctx_finish(&ctx);
        set_lag(follow, epoch, (int64_t)(last - follow->after));
    }
    return good && follow->after >= last;
}

/* One look: true when all that the stream had at its beginning has been handled. */
static bool look(struct follow *follow, bool *news)
{
    struct bus *bus = follow->options.bus;
    uint64_t epoch = bus_epoch(bus);
    int64_t begin = clock_ms();
    struct ctx ctx = { .request_id = "" };
    struct stream_info info;
    bool good = bus_up(bus) && js_stream_info(&ctx, bus, follow->stream, &info);
    ctx_finish(&ctx);
    if (!good)
        return false;
    if ((!follow->attached || !fits(follow, &info)) && !attach(follow, &info))
        return false;
    *news = follow->after < info.last;
    if (!read_up_to(follow, info.last, epoch))
        return false;
    set_known(follow, epoch, begin);
    return true;
}

/* Until the next look. The stream has a message a moment after its hint was heard. */
static int64_t pause_ms(struct follow *follow, bool good, bool hinted, bool news)
{
    static const int64_t after_hint[] = { 2, 10, 50, 200 };
    if (!good) {
        follow->delay_ms = follow->delay_ms ? follow->delay_ms * 2 : RETRY_MS;
        if (follow->delay_ms > RETRY_MOST_MS)
            follow->delay_ms = RETRY_MOST_MS;
        return follow->delay_ms;
    }
    follow->delay_ms = 0;
    if (hinted)
        follow->again = 0;
    if (news)
        follow->again = sizeof after_hint / sizeof *after_hint;
    return follow->again < sizeof after_hint / sizeof *after_hint ? after_hint[follow->again++] : POLL_MS;
}

/* With the lock held. A failure's delay is kept, whatever is heard; a new connection ends it. */
static bool is_due(const struct follow *follow, bool good)
{
    return follow->stopping || follow->connected || (good && follow->hinted);
}

static void *follow_run(void *closure)
{
    struct follow *follow = closure;
    pthread_mutex_lock(&follow->mutex);
    while (!follow->stopping) {
        bool hinted = follow->hinted, news = false;
        follow->hinted = follow->connected = false;
        pthread_mutex_unlock(&follow->mutex);
        bool good = look(follow, &news);
        int64_t until = clock_ms() + pause_ms(follow, good, hinted, news);
        pthread_mutex_lock(&follow->mutex);
        while (!is_due(follow, good) && cond_wait_until(&follow->woken, &follow->mutex, until))
            continue;
    }
    pthread_mutex_unlock(&follow->mutex);
    return NULL;
}

static void connected(void *self)
{
    struct follow *follow = self;
    pthread_mutex_lock(&follow->mutex);
    follow->connected = true;
    pthread_cond_signal(&follow->woken);
    pthread_mutex_unlock(&follow->mutex);
}

static bool hint_arrived(void *self, natsMsg *msg)
{
    struct follow *follow = self;
    if (follow->options.hint)
        follow->options.hint(follow->options.self, natsMsg_GetSubject(msg), natsMsg_GetData(msg),
                             (size_t)natsMsg_GetDataLength(msg));
    pthread_mutex_lock(&follow->mutex);
    follow->hinted = true;
    pthread_cond_signal(&follow->woken);
    pthread_mutex_unlock(&follow->mutex);
    return false;
}

struct follow *follow_start(struct ctx *ctx, const struct follow_options *options)
{
    struct follow *follow = calloc(1, sizeof *follow);
    if (!follow)
        abort();
    follow->options = *options;
    follow->after = options->after;
    follow->again = SIZE_MAX;
    follow->lag = -1;
    strncpy(follow->stream, options->stream, sizeof follow->stream - 1);
    pthread_mutex_init(&follow->mutex, NULL);
    cond_init(&follow->woken);
    if (pthread_create(&follow->thread, NULL, follow_run, follow) != 0) {
        free(follow);
        return ctx_fail(ctx, ERROR_INTERNAL, "no thread to follow %s", options->stream);
    }
    bus_watch(options->bus, &(struct watcher){ .connected = connected, .self = follow });
    for (size_t i = 0; options->hints && options->hints[i] && i < HINTS; i++)
        follow->listenings[follow->listening_count++] = bus_subscribe(options->bus, options->hints[i], NULL,
                                                                      hint_arrived, follow);
    return follow;
}

void follow_stop(struct follow *follow)
{
    if (!follow)
        return;
    bus_unwatch(follow->options.bus, follow);
    bool ended = true;
    for (size_t i = 0; i < follow->listening_count; i++)
        ended &= bus_unsubscribe(follow->options.bus, follow->listenings[i], STOP_MS);
    pthread_mutex_lock(&follow->mutex);
    follow->stopping = true;
    pthread_cond_signal(&follow->woken);
    pthread_mutex_unlock(&follow->mutex);
    pthread_join(follow->thread, NULL);
    if (ended)
        free(follow);
    else
        bus_keep(follow->options.bus, free, follow);
}

int64_t follow_known_ms(const struct follow *follow)
{
    struct follow *mine = (struct follow *)follow; /* to lock it */
    pthread_mutex_lock(&mine->mutex);
    int64_t out = follow->known_ms;
    pthread_mutex_unlock(&mine->mutex);
    return out;
}

bool follow_whole(const struct follow *follow)
{
    struct follow *mine = (struct follow *)follow;
    const struct bus *bus = follow->options.bus;
    pthread_mutex_lock(&mine->mutex);
    bool known = follow->known_ms && clock_ms() - follow->known_ms < FRESH_MS;
    bool out = known && bus_up(bus) && follow->known_epoch == bus_epoch(bus);
    pthread_mutex_unlock(&mine->mutex);
    return out;
}

int64_t follow_lag(const struct follow *follow)
{
    struct follow *mine = (struct follow *)follow;
    const struct bus *bus = follow->options.bus;
    pthread_mutex_lock(&mine->mutex);
    int64_t out = bus_up(bus) && follow->lag_epoch == bus_epoch(bus) ? follow->lag : -1;
    pthread_mutex_unlock(&mine->mutex);
    return out;
}
