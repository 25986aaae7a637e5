#include "member/announced.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "contract/subjects.h"
#include "must.h"
#include "nats/bus.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

enum { ROUND_MS = 500 };

struct announced {
    struct bus *bus;
    void (*changed)(void *self);
    void *self;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct replicas *replicas;
    int64_t round_ms; /* on clock_ms(): when this round ends */
    bool hurried, stopping;
    pthread_t thread;
};

/* Answers */

static const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text && strlen(text) <= 128 ? text : NULL;
}

/* On libnats' thread: an answer to $SRV.INFO.<name>. */
static void on_info(void *self, const char *subject, const char *data, size_t size)
{
    struct announced *announced = self;
    _cleanup_(json_decrefp) json_t *info = size <= 65536 ? json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *id = info ? json_text(info, "id") : NULL,
               *http = info ? json_text(json_object_get(info, "metadata"), "http") : NULL;
    const char *name = strrchr(subject, '.');
    if (!id || !http || !name)
        return;
    pthread_mutex_lock(&announced->lock);
    bool came = replicas_answer(announced->replicas, name + 1, id, http);
    pthread_mutex_unlock(&announced->lock);
    if (came)
        announced->changed(announced->self);
}

static void on_leave(void *self, const char *subject, const char *data, size_t size)
{
    struct announced *announced = self;
    (void)subject;
    _cleanup_(json_decrefp) json_t *leave = size <= 1024 ? json_loadb(data, size, 0, NULL) : NULL;
    const char *id = leave ? json_text(leave, "id") : NULL;
    if (!id)
        return;
    pthread_mutex_lock(&announced->lock);
    bool went = replicas_leave(announced->replicas, id);
    pthread_mutex_unlock(&announced->lock);
    if (went)
        announced->changed(announced->self);
}

/* Rounds */

static void ask(void *self, const char *name)
{
    struct announced *announced = self;
    struct ctx ctx = { 0 };
    char *subject = arena_printf(&ctx.arena, "$SRV.INFO.%s", name);
    char *reply = arena_printf(&ctx.arena, "%s.members.%s", bus_inbox(announced->bus), name);
    /* An outage: the next round asks again. */
    bus_publish_to(&ctx, announced->bus, subject, reply, "", 0);
    ctx_finish(&ctx);
}

/* With the lock held. Who hurries asks once more within the round: ended early, it would count against those who have
 * not answered yet. Nor does one end without NATS. */
static bool step(struct announced *announced)
{
    int64_t now = clock_ms();
    bool up = bus_up(announced->bus), over = now >= announced->round_ms;
    bool went = up && over && replicas_end_round(announced->replicas);
    if (!up || over)
        announced->round_ms = now + ROUND_MS;
    if (up)
        replicas_names(announced->replicas, ask, announced);
    return went;
}

/* With the lock held, which is given up meanwhile. */
static void wait_for_round(struct announced *announced)
{
    struct timespec until = { .tv_sec = announced->round_ms / 1000, .tv_nsec = announced->round_ms % 1000 * 1000000 };
    while (!announced->stopping && !announced->hurried &&
           pthread_cond_timedwait(&announced->wake, &announced->lock, &until) == 0)
        continue;
    announced->hurried = false;
}

static void *run(void *self)
{
    struct announced *announced = self;
    pthread_mutex_lock(&announced->lock);
    while (!announced->stopping) {
        if (step(announced)) {
            pthread_mutex_unlock(&announced->lock);
            announced->changed(announced->self);
            pthread_mutex_lock(&announced->lock);
        }
        wait_for_round(announced);
    }
    pthread_mutex_unlock(&announced->lock);
    return NULL;
}

void announced_hurry(struct announced *announced)
{
    pthread_mutex_lock(&announced->lock);
    announced->hurried = true;
    pthread_cond_signal(&announced->wake);
    pthread_mutex_unlock(&announced->lock);
}

/* Names */

void announced_mark(struct announced *announced)
{
    pthread_mutex_lock(&announced->lock);
    replicas_mark(announced->replicas);
    pthread_mutex_unlock(&announced->lock);
}

void announced_want(struct announced *announced, const char *name)
{
    pthread_mutex_lock(&announced->lock);
    replicas_want(announced->replicas, name);
    pthread_mutex_unlock(&announced->lock);
}

void announced_sweep(struct announced *announced)
{
    pthread_mutex_lock(&announced->lock);
    replicas_sweep(announced->replicas);
    pthread_mutex_unlock(&announced->lock);
}

void announced_each(struct announced *announced, const char *name, void (*each)(void *self, const struct replica *one),
                    void *self)
{
    pthread_mutex_lock(&announced->lock);
    for (const struct replica *one = replicas_of(announced->replicas, name); one; one = one->next)
        each(self, one);
    pthread_mutex_unlock(&announced->lock);
}

bool announced_any(struct announced *announced, const char *name)
{
    pthread_mutex_lock(&announced->lock);
    bool any = replicas_of(announced->replicas, name);
    pthread_mutex_unlock(&announced->lock);
    return any;
}

/* Start and stop */

/* By clock_ms(), which nobody sets. */
static void init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static bool start(struct ctx *ctx, struct announced *announced)
{
    char *answers = arena_printf(&ctx->arena, "%s.members.*", bus_inbox(announced->bus));
    return bus_listen(ctx, announced->bus, answers, on_info, announced) &&
           bus_listen(ctx, announced->bus, SUBJECT_LEAVE, on_leave, announced) &&
           (pthread_create(&announced->thread, NULL, run, announced) == 0 ||
            ctx_fail(ctx, ERROR_INTERNAL, "no thread for discovery"));
}

struct announced *announced_create(struct ctx *ctx, const struct announced_options *options)
{
    struct announced *announced = must(calloc(1, sizeof *announced));
    announced->bus = options->bus;
    announced->changed = options->changed;
    announced->self = options->self;
    announced->replicas = replicas_create(options->nets);
    pthread_mutex_init(&announced->lock, NULL);
    init_wake(&announced->wake);
    if (!announced->bus || start(ctx, announced))
        return announced;
    announced_destroy(announced);
    return NULL;
}

void announced_stop(struct announced *announced)
{
    pthread_mutex_lock(&announced->lock);
    announced->stopping = true;
    pthread_cond_signal(&announced->wake);
    pthread_mutex_unlock(&announced->lock);
    if (announced->thread)
        pthread_join(announced->thread, NULL);
    announced->thread = 0;
}

void announced_destroy(struct announced *announced)
{
    if (!announced)
        return;
    announced_stop(announced);
    replicas_destroy(announced->replicas);
    pthread_mutex_destroy(&announced->lock);
    pthread_cond_destroy(&announced->wake);
    free(announced);
}
