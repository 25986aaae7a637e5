#include "logs/otlp.h"

#include "logs/backlog.h"
#include "base/clock.h"
#include "base/log.h"
#include "process/edge.h"
#include "must.h"
#include "logs/otlp_post.h"

#include <pthread.h>
#include <string.h>

enum { LANE_ROOM = 1 << 20, TARGETS_MAX = 16, ROUND_MS = 50, WARN_MS = 10000 };

const struct otlp_target otlp_target_defaults = {
    .service = "tonearm-edge",
    .sampled = 1000,
    .connect_ms = 1000,
    .send_ms = 5000,
    .read_ms = 5000,
    .batch_max = 200,
    .entries_max = 10000,
    .bytes_max = 8 << 20,
    .delay_ms = 1000,
    .retry_ms = 60000,
    .retry_first_ms = 10,
    .retry_most_ms = 60000,
};

/* What goes through a lane. */
struct entry {
    const struct otlp_target *target;
    struct config *config; /* a reference; NULL: none needed */
    size_t spans, size;
    char text[];
};

/* What has gathered for one target. */
struct batch {
    const struct otlp_target *target; /* NULL: free */
    struct config *config;
    struct arena arena;
    struct buf spans;
    int64_t count;
    int64_t due_ms;                 /* when it is sent, or tried again */
    int64_t failing_since, wait_ms; /* 0: the last one was taken */
};

struct otlp {
    struct span_counts *counts;
    struct backlog *backlog;
    struct otlp_post *post;
    pthread_t thread;
    atomic_bool stopping;
    int64_t warned_ms;
    struct batch batches[TARGETS_MAX];
};

/* The loops' side */

char *otlp_reserve(struct otlp *otlp, struct loop *loop)
{
    struct entry *entry = backlog_reserve(otlp->backlog, loop->index, sizeof *entry + OTLP_SPANS_MAX);
    if (!entry)
        atomic_fetch_add_explicit(&otlp->counts->lost, 1, memory_order_relaxed);
    return entry ? entry->text : NULL;
}

void otlp_commit(struct otlp *otlp, struct loop *loop, size_t size, size_t spans, const struct otlp_target *target,
                 struct config *config)
{
    struct entry *entry = backlog_reserve(otlp->backlog, loop->index, sizeof *entry + OTLP_SPANS_MAX);
    entry->target = target;
    entry->config = config ? config_ref(config) : NULL;
    entry->spans = spans;
    entry->size = size;
    backlog_commit(otlp->backlog, loop->index, sizeof *entry + size);
}

/* The thread's side */

static void clear(struct batch *batch)
{
    arena_free(&batch->arena);
    config_unref(batch->config);
    *batch = (struct batch){ 0 };
}

static void lose(struct otlp *otlp, struct batch *batch, const char *why)
{
    int64_t now = clock_ms();
    otlp->counts->lost += batch->count;
    if (!otlp->warned_ms || now - otlp->warned_ms >= WARN_MS) {
        log_warn(NULL, "spans were lost: the collector does not take them", "url", batch->target->url, "why", why);
        otlp->warned_ms = now;
    }
    clear(batch);
}

/* When it is tried again; false: never. */
static bool put_off(const struct otlp *otlp, struct batch *batch, int64_t retry_after_ms)
{
    const struct otlp_target *target = batch->target;
    int64_t now = clock_ms();
    if (!batch->failing_since)
        batch->failing_since = now;
    batch->wait_ms = batch->wait_ms ? batch->wait_ms * 2 : target->retry_first_ms;
    if (batch->wait_ms > target->retry_most_ms)
        batch->wait_ms = target->retry_most_ms;
    int64_t wait = retry_after_ms > batch->wait_ms ? retry_after_ms : batch->wait_ms;
    batch->due_ms = now + wait;
    return !otlp->stopping && batch->due_ms - batch->failing_since <= target->retry_ms;
}

static void send_batch(struct otlp *otlp, struct batch *batch)
{
    struct post_result result;
    otlp_post_send(otlp->post, batch->target, batch->spans.data, batch->spans.size, &result);
    if (result.outcome == POST_TAKEN) {
        otlp->counts->sent += batch->count;
        clear(batch);
    } else if (result.outcome == POST_REFUSED || !put_off(otlp, batch, result.retry_after_ms)) {
        lose(otlp, batch, result.why);
    }
}

static void send_due(struct otlp *otlp, bool all)
{
    for (size_t i = 0; i < TARGETS_MAX; i++) {
        struct batch *batch = &otlp->batches[i];
        if (batch->count && (all || clock_ms() >= batch->due_ms))
            send_batch(otlp, batch);
    }
}

/* NULL: so many targets have something at a time. */
static struct batch *batch_of(struct otlp *otlp, const struct entry *entry)
{
    struct batch *place = NULL;
    for (size_t i = 0; i < TARGETS_MAX; i++) {
        struct batch *batch = &otlp->batches[i];
        if (batch->target == entry->target)
            return batch;
        if (!place && !batch->target)
            place = batch;
    }
    if (!place)
        return NULL;
    place->target = entry->target;
    place->config = entry->config ? config_ref(entry->config) : NULL;
    place->spans = BUF(&place->arena);
    place->due_ms = clock_ms() + entry->target->delay_ms;
    return place;
}

static bool add(struct batch *batch, const struct entry *entry)
{
    const struct otlp_target *target = entry->target;
    if (!batch || batch->count + (int64_t)entry->spans > target->entries_max ||
        (int64_t)(batch->spans.size + entry->size) > target->bytes_max)
        return false;
    if (batch->count)
        buf_char(&batch->spans, ',');
    buf_add(&batch->spans, entry->text, entry->size);
    batch->count += (int64_t)entry->spans;
    return true;
}

static void take(void *self, void *record, size_t size)
{
    struct otlp *otlp = self;
    const struct entry *entry = record;
    struct batch *batch = batch_of(otlp, entry);
    (void)size;
    if (!add(batch, entry))
        otlp->counts->lost += (int64_t)entry->spans;
    else if (batch->count >= entry->target->batch_max && !batch->failing_since)
        send_batch(otlp, batch);
    config_unref(entry->config);
}

static bool idle(const struct otlp *otlp)
{
    for (size_t i = 0; i < TARGETS_MAX; i++)
        if (otlp->batches[i].count)
            return false;
    return true;
}

static void *run(void *self)
{
    struct otlp *otlp = self;
    while (!otlp->stopping) {
        backlog_drain(otlp->backlog, take, otlp);
        send_due(otlp, false);
        backlog_wait(otlp->backlog, ROUND_MS, idle(otlp));
    }
    backlog_drain(otlp->backlog, take, otlp);
    send_due(otlp, true);
    return NULL;
}

struct otlp *otlp_create(struct edge *edge)
{
    struct otlp *otlp = must(calloc(1, sizeof *otlp));
    otlp->counts = &edge->slot->spans;
    otlp->backlog = backlog_create(edge->loop_count, LANE_ROOM);
    otlp->post = otlp_post_create(&otlp->stopping);
    if (pthread_create(&otlp->thread, NULL, run, otlp) != 0)
        abort();
    return otlp;
}

void otlp_destroy(struct otlp *otlp)
{
    if (!otlp)
        return;
    otlp->stopping = true;
    backlog_wake(otlp->backlog);
    pthread_join(otlp->thread, NULL);
    backlog_destroy(otlp->backlog);
    otlp_post_destroy(otlp->post);
    free(otlp);
}
