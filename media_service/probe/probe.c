#include "probe/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "probe/probe_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

enum {
    HELPERS_MAX = 8,
    JOBS_MAX = 100,  /* of one helper: what its libraries leak goes with it */
    TRIES = 2,       /* of one file */
    WAIT_MAX = 30000 /* ms for a free helper where the ctx has no deadline */
};

struct probe {
    struct probe_options options;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    bool busy[HELPERS_MAX];
    struct child children[HELPERS_MAX];
};

struct probe *probe_create(struct ctx *ctx, const struct probe_options *options)
{
    struct probe *probe = calloc(1, sizeof *probe);
    pthread_condattr_t monotonic;
    probe->options = *options;
    pthread_mutex_init(&probe->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&probe->freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < options->helpers; i++)
        if (!child_start(ctx, &probe->children[i], options->path)) {
            probe_destroy(probe);
            return NULL;
        }
    return probe;
}

void probe_destroy(struct probe *probe)
{
    for (size_t i = 0; i < HELPERS_MAX; i++)
        child_end(&probe->children[i]);
    pthread_cond_destroy(&probe->freed);
    pthread_mutex_destroy(&probe->lock);
    free(probe);
}

static struct child *free_child(struct probe *probe)
{
    for (size_t i = 0; i < probe->options.helpers; i++)
        if (!probe->busy[i]) {
            probe->busy[i] = true;
            return &probe->children[i];
        }
    return NULL;
}

static struct child *child_acquire(struct ctx *ctx, struct probe *probe)
{
    int64_t until = clock_ms() + ctx_left_ms(ctx, WAIT_MAX);
    struct timespec limit = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_mutex_lock(&probe->lock);
    struct child *child;
    int waited = 0;
    while (!(child = free_child(probe)) && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&probe->freed, &probe->lock, &limit);
    pthread_mutex_unlock(&probe->lock);
    return child ? child : ctx_fail(ctx, ERROR_UNAVAILABLE, "too many files are being read at once");
}

static void child_release(struct probe *probe, struct child *child)
{
    pthread_mutex_lock(&probe->lock);
    probe->busy[child - probe->children] = false;
    pthread_cond_signal(&probe->freed);
    pthread_mutex_unlock(&probe->lock);
}

/* The helper can read it and nothing else: a shared descriptor could be written to. */
static int read_only(struct ctx *ctx, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    if (again < 0)
        ctx_fail(ctx, ERROR_INTERNAL, "the file cannot be opened again: %s", strerror(errno));
    return again;
}

static bool ask_once(struct ctx *ctx, struct probe *probe, struct child *child, const struct probe_question *question,
                     int fd, struct probe_result *out, enum exchange *done)
{
    if (child->jobs >= JOBS_MAX)
        child_end(child);
    if (child->pid == 0 && !child_start(ctx, child, probe->options.path))
        return false;
    int64_t until = clock_ms() + ctx_left_ms(ctx, probe->options.limit_ms);
    *done = child_ask(ctx, child, question, fd, until, &out->answer, &out->facts, &out->cover);
    return true;
}

static bool ask_child(struct ctx *ctx, struct probe *probe, struct child *child, const struct probe_question *question,
                      int fd, struct probe_result *out)
{
    enum exchange done = EXCHANGE_DEAD;
    /* Only the second death is the file's, and one by SIGKILL never: its limits end a helper in other ways. */
    for (int i = 0; i < TRIES && (done == EXCHANGE_DEAD || done == EXCHANGE_KILLED); i++)
        if (!ask_once(ctx, probe, child, question, fd, out, &done))
            return false;
    if (done == EXCHANGE_LATE && ctx_left_ms(ctx, 1) == 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "reading the file took longer than the request may");
    if (done == EXCHANGE_LATE)
        return ctx_fail(ctx, ERROR_UNPROCESSABLE, "reading the file takes too long");
    if (done == EXCHANGE_KILLED)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "who read the file was stopped, try again");
    if (done == EXCHANGE_DEAD) {
        log_warn(ctx, "a file broke the media helper twice");
        return ctx_fail(ctx, ERROR_UNPROCESSABLE, "the file cannot be read");
    }
    return true;
}

static bool ask(struct ctx *ctx, struct probe *probe, enum probe_kind kind, int fd, int edge, struct probe_result *out)
{
    _cleanup_(closep) int own = read_only(ctx, fd);
    struct child *child = own < 0 ? NULL : child_acquire(ctx, probe);
    if (!child)
        return false;
    struct probe_question question = { .kind = kind,
                                       .edge = (uint32_t)edge,
                                       .seconds = (uint32_t)(probe->options.limit_ms / 1000 + 2) };
    bool answered = ask_child(ctx, probe, child, &question, own, out);
    child_release(probe, child);
    return answered;
}

struct audio_facts *probe_facts(struct ctx *ctx, const struct probe_result *result, struct cover *cover)
{
    struct audio_facts *facts = arena_new(&ctx->arena, struct audio_facts);
    if (!record_parse(ctx, result->facts, result->answer.facts_size, audio_facts_fields, facts)) {
        log_failure(LOG_WARN, ctx, "the media helper's answer breaks its rules");
        ctx_forgive(ctx, ERROR_INVALID);
        return ctx_fail(ctx, ERROR_UNPROCESSABLE, "the file cannot be read");
    }
    *cover = (struct cover){ 0 };
    if (facts->cover_type && result->answer.cover_size > 0)
        *cover = (struct cover){ .type = facts->cover_type,
                                 .width = facts->cover_width,
                                 .height = facts->cover_height,
                                 .data = result->cover,
                                 .size = result->answer.cover_size };
    return facts;
}

struct audio_facts *probe_audio(struct ctx *ctx, struct probe *probe, int fd, struct cover *cover)
{
    struct probe_result result = { 0 };
    if (!ask(ctx, probe, PROBE_AUDIO, fd, COVER_EDGE, &result))
        return NULL;
    if (result.answer.verdict == PROBE_REFUSED)
        return ctx_fail(ctx, ERROR_UNPROCESSABLE, "this is no audio that can be played");
    struct audio_facts *facts = probe_facts(ctx, &result, cover);
    if (facts &&
        (!facts->codec || !facts->media_type || !facts->sample_rate || !facts->channels || facts->duration <= 0))
        return ctx_fail(ctx, ERROR_UNPROCESSABLE, "the file cannot be read");
    return facts;
}

bool probe_picture(struct ctx *ctx, struct probe *probe, int fd, int edge, struct cover *cover)
{
    struct probe_result result = { 0 };
    if (!ask(ctx, probe, PROBE_PICTURE, fd, edge, &result))
        return false;
    if (result.answer.verdict == PROBE_REFUSED)
        return ctx_fail(ctx, ERROR_UNPROCESSABLE, "this is no picture");
    return probe_facts(ctx, &result, cover) && cover->size > 0;
}

bool probe_ready(struct ctx *ctx, void *self)
{
    const struct probe *probe = self;
    return access(probe->options.path, X_OK) == 0 || ctx_fail(ctx, ERROR_UNAVAILABLE, "the media helper is gone");
}
