#include "logs/access_log.h"

#include "logs/access_files.h"
#include "logs/backlog.h"
#include "base/clock.h"
#include "base/log.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "must.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { LANE_ROOM = 1 << 20, ROUND_MS = 20, LAST_MS = 1000, WARN_MS = 10000 };

const char *const access_log_formats[] = {
    [ACCESS_JSON] = "json", [ACCESS_COMMON] = "common", [ACCESS_COMBINED] = "combined", NULL
};

struct access_log {
    const struct edge_settings *settings;
    const char *path; /* of the setting; NULL: off */
    struct log_counts *counts;
    struct backlog *backlog;
    struct access_files *files;
    pthread_t thread;
    atomic_bool stopping, reopen;
    int64_t warned_ms, warned_of;
};

/* What goes through the lane. */
struct entry {
    uint16_t line_size;
    bool follow;
    char text[]; /* the line, then the path with a NUL */
};

/* The loops' side */

static void put(struct access_log *log, const struct exchange *x, enum access_format format, const char *path,
                bool follow)
{
    size_t path_size = strlen(path) + 1;
    struct entry *entry = backlog_reserve(log->backlog, x->loop->index, sizeof *entry + ACCESS_LINE_MAX + path_size);
    if (!entry) {
        atomic_fetch_add_explicit(&log->counts->lost, 1, memory_order_relaxed);
        return;
    }
    entry->follow = follow;
    entry->line_size = (uint16_t)access_line(x, format, entry->text);
    memcpy(entry->text + entry->line_size, path, path_size);
    backlog_commit(log->backlog, x->loop->index, sizeof *entry + entry->line_size + path_size);
}

void access_log_head(struct access_log *log, struct exchange *x)
{
    int64_t one_in = log->settings->access_log_sample;
    x->logged = log->path && (one_in == 1 || loop_random(x->loop) % (uint64_t)one_in == 0);
    if (x->logged)
        client_look(x);
    if (x->logged && log->settings->access_log_format == ACCESS_JSON)
        access_line_keep_head(x);
}

void access_log_request(struct access_log *log, const struct exchange *x)
{
    if (!x->logged)
        return;
    put(log, x, (enum access_format)log->settings->access_log_format, log->path, false);
}

void access_log_to(struct access_log *log, const struct exchange *x, const char *path, bool follow)
{
    put(log, x, ACCESS_JSON, path, follow);
}

/* The thread's side */

static void take(void *self, void *record, size_t size)
{
    struct access_log *log = self;
    const struct entry *entry = record;
    (void)size;
    bool good = access_files_add(log->files, entry->text + entry->line_size, entry->follow, entry->text,
                                 entry->line_size);
    atomic_fetch_add_explicit(good ? &log->counts->written : &log->counts->lost, 1, memory_order_relaxed);
}

static void tell_of_lost(struct access_log *log)
{
    char count[24];
    int64_t now = clock_ms(), lost = log->counts->lost;
    if (lost == log->warned_of || (log->warned_ms && now - log->warned_ms < WARN_MS))
        return;
    snprintf(count, sizeof count, "%lld", (long long)(lost - log->warned_of));
    log_warn(NULL, "lines of the access log were lost: what takes them is too slow or full", "lines", count);
    log->warned_ms = now;
    log->warned_of = lost;
}

/* false: something is left. */
static bool round_of(struct access_log *log)
{
    if (atomic_exchange(&log->reopen, false))
        access_files_reopen(log->files);
    backlog_drain(log->backlog, take, log);
    bool all = access_files_flush(log->files);
    int64_t lost = access_files_lost(log->files);
    log->counts->written -= lost;
    log->counts->lost += lost;
    tell_of_lost(log);
    return all;
}

static void *run(void *self)
{
    struct access_log *log = self;
    while (!log->stopping)
        backlog_wait(log->backlog, ROUND_MS, round_of(log));
    for (int64_t until = clock_ms() + LAST_MS; !round_of(log) && clock_ms() < until;)
        backlog_wait(log->backlog, ROUND_MS, false);
    return NULL;
}

static const char *path_of(const char *setting)
{
    if (!setting || !*setting)
        return NULL;
    return strcmp(setting, "stdout") == 0 ? "/dev/stdout" : strcmp(setting, "stderr") == 0 ? "/dev/stderr" : setting;
}

struct access_log *access_log_create(struct ctx *ctx, struct edge *edge)
{
    struct access_log *log = must(calloc(1, sizeof *log));
    log->settings = edge->settings;
    log->path = path_of(edge->settings->access_log);
    log->counts = &edge->slot->logs;
    log->files = access_files_create();
    int error = log->path ? access_files_try(log->files, log->path) : 0;
    if (error) {
        access_files_destroy(log->files);
        free(log);
        ctx_fail(ctx, ERROR_INVALID, "EDGE_ACCESS_LOG: \"%s\" cannot be opened: %s", edge->settings->access_log,
                 strerror(error));
        return NULL;
    }
    log->backlog = backlog_create(edge->loop_count, LANE_ROOM);
    if (pthread_create(&log->thread, NULL, run, log) != 0)
        abort();
    return log;
}

void access_log_destroy(struct access_log *log)
{
    if (!log)
        return;
    log->stopping = true;
    backlog_wake(log->backlog);
    pthread_join(log->thread, NULL);
    backlog_destroy(log->backlog);
    access_files_destroy(log->files);
    free(log);
}

void access_log_reopen(struct access_log *log)
{
    log->reopen = true;
    backlog_wake(log->backlog);
}
