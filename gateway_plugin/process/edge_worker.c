#include "process/edge_worker.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

enum { TELL_MS = 100 };

int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        abort();
    return fd;
}

int signals_next(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

static void log_faults(struct faults *faults)
{
    struct buf text = BUF(faults->arena);
    faults_write(faults, &text);
    log_error(NULL, "the configuration was not taken: the one before it stays", "faults", text.data);
}

void edge_reload(const struct edge_settings *settings, struct edge_shared *shared)
{
    struct arena arena = { 0 };
    struct faults faults = FAULTS(&arena, settings->config);
    shared->hangups++; /* logs are opened anew even where the file is broken */
    struct config *config = config_read_file(&faults, settings->config);
    if (config) {
        edge_shared_put(shared, config, true);
        log_info(NULL, "the configuration was read again", "file", settings->config);
    } else {
        log_faults(&faults);
    }
    config_unref(config);
    arena_free(&arena);
}

struct worker {
    const struct edge_settings *settings;
    struct edge_shared *shared;
    struct edge *edge;
    int signals, parent;
    int64_t until; /* on clock_ms(): the parent is gone; 0: it is there */
};

static void on_parent_gone(struct worker *worker)
{
    log_warn(NULL, "the parent is gone: its successor takes over");
    worker->until = clock_ms() + ORPHAN_MS;
    worker->parent = -1;
    edge_close_admin(worker->edge);
}

/* false: it is to end. */
static bool step(struct worker *worker)
{
    struct pollfd fds[] = { { .fd = worker->signals, .events = POLLIN },
                            { .fd = worker->edge->slot->bell, .events = POLLIN },
                            { .fd = worker->parent } };
    int number;
    poll(fds, 3, TELL_MS);
    while ((number = signals_next(worker->signals))) {
        if (number == SIGTERM || number == SIGINT)
            return false;
        if (number == SIGHUP)
            edge_reload(worker->settings, worker->shared);
    }
    if (fds[2].revents)
        on_parent_gone(worker);
    bell_quiet(worker->edge->slot->bell);
    edge_take_config(worker->edge);
    edge_look_at_logs(worker->edge);
    edge_tell(worker->edge);
    return !worker->until || clock_ms() < worker->until;
}

static int start_failed(struct ctx *ctx)
{
    bool invalid = ctx->error && ctx->error->code == ERROR_INVALID;
    log_failure(LOG_ERROR, ctx, "the edge cannot start");
    ctx_finish(ctx);
    return invalid ? EX_CONFIG : EX_UNAVAILABLE;
}

int edge_worker_run(const struct edge_settings *settings, struct edge_shared *shared, size_t index, int parent)
{
    struct ctx ctx = { .request_id = "" };
    _Atomic enum slot_state *state = &shared->slots[index].state;
    struct worker worker = { .settings = settings, .shared = shared, .parent = parent };
    worker.signals = signals_open();
    *state = SLOT_STARTING;
    shared->slots[index].pid = getpid();
    worker.edge = edge_start(&ctx, settings, shared, index);
    if (!worker.edge)
        return start_failed(&ctx);
    edge_tell(worker.edge);
    *state = SLOT_SERVING;
    bell_ring(shared->bell);
    if (shared->count == 1)
        log_info(&ctx, "ready");
    while (step(&worker))
        continue;
    log_info(NULL, "stopping");
    edge_stop(worker.edge);
    close(worker.signals);
    ctx_finish(&ctx);
    return EX_OK;
}
