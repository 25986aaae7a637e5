#include "process/edge_processes.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "process/edge_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    STEADY_MS = 1000, /* who dies earlier has died at its start */
    DELAY_MS = 100,   /* after the second time, doubling */
    DELAY_MAX_MS = 1000,
    KILL_MS = 5000, /* after the drain, which each ends by itself */
};

struct child {
    pid_t pid; /* 0: not running */
    int64_t started_ms, start_ms;
    int early; /* how often in a row it died at its start */
};

struct parent {
    const struct edge_settings *settings;
    struct edge_shared *shared;
    struct child children[EDGE_PROCESSES_MAX];
    int signals;
    int alive[2]; /* a pipe nobody writes to: its end says that this process has ended */
    bool ready;   /* all have served */
    bool stopping;
    int64_t kill_ms;
    int status;
};

/* In the child. */
static void become_worker(struct parent *parent, size_t index)
{
    close(parent->signals);
    close(parent->alive[1]);
    int status = edge_worker_run(parent->settings, parent->shared, index, parent->alive[0]);
    edge_shared_destroy(parent->shared);
    exit(status);
}

static void start(struct parent *parent, size_t index)
{
    struct child *child = &parent->children[index];
    edge_shared_empty(parent->shared, index, parent->settings);
    child->started_ms = clock_ms();
    pid_t pid = fork();
    if (pid == 0)
        become_worker(parent, index);
    if (pid < 0) {
        log_error(NULL, "a process cannot be started", "why", strerror(errno));
        child->start_ms = child->started_ms + DELAY_MAX_MS;
        return;
    }
    child->pid = pid;
}

static void start_due(struct parent *parent)
{
    for (size_t i = 0; i < parent->shared->count; i++)
        if (!parent->children[i].pid && clock_ms() >= parent->children[i].start_ms)
            start(parent, i);
}

static void tell_all(struct parent *parent, int number)
{
    for (size_t i = 0; i < parent->shared->count; i++)
        if (parent->children[i].pid)
            kill(parent->children[i].pid, number);
}

static void stop(struct parent *parent, int status)
{
    if (parent->stopping)
        return;
    parent->stopping = true;
    parent->status = status;
    parent->kill_ms = clock_ms() + parent->settings->drain_ms + KILL_MS;
    tell_all(parent, SIGTERM);
}

static void log_death(const struct child *child, int status)
{
    char pid[16], how[64];
    snprintf(pid, sizeof pid, "%d", (int)child->pid);
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "status %d", WEXITSTATUS(status));
    log_error(NULL, "a process of the edge died: it is started again, the others serve on", "pid", pid, "of", how);
}

/* When it is started again: at once, unless it has died at its start before. */
static int64_t due_after(struct child *child, int64_t now_ms)
{
    child->early = now_ms - child->started_ms < STEADY_MS ? child->early + 1 : 0;
    if (child->early < 2)
        return now_ms;
    int64_t delay = child->early < 6 ? DELAY_MS << (child->early - 2) : DELAY_MAX_MS;
    return now_ms + (delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS);
}

static void bury(struct parent *parent, size_t index, int status)
{
    struct child *child = &parent->children[index];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
    if (parent->stopping) {
        parent->status = parent->status ? parent->status : code;
    } else if (!parent->ready && WIFEXITED(status) && code) {
        child->pid = 0;
        stop(parent, code);
    } else {
        log_death(child, status);
        parent->shared->deaths++;
        child->start_ms = due_after(child, clock_ms());
    }
    child->pid = 0;
    edge_shared_empty(parent->shared, index, parent->settings);
}

static void bury_all(struct parent *parent)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < parent->shared->count; i++)
            if (parent->children[i].pid == pid)
                bury(parent, i, status);
}

static size_t running(const struct parent *parent)
{
    size_t count = 0;
    for (size_t i = 0; i < parent->shared->count; i++)
        count += parent->children[i].pid != 0;
    return count;
}

static void take_signals(struct parent *parent)
{
    int number;
    while ((number = signals_next(parent->signals))) {
        if (number == SIGHUP && !parent->stopping)
            edge_reload(parent->settings, parent->shared);
        if (number == SIGTERM || number == SIGINT)
            stop(parent, EX_OK);
    }
}

/* Milliseconds until something is due; -1: only signals and bells. */
static int wait_ms(const struct parent *parent)
{
    int64_t until = parent->stopping ? parent->kill_ms : INT64_MAX;
    for (size_t i = 0; !parent->stopping && i < parent->shared->count; i++)
        if (!parent->children[i].pid && parent->children[i].start_ms < until)
            until = parent->children[i].start_ms;
    if (until == INT64_MAX)
        return -1;
    int64_t left = until - clock_ms();
    return left > 0 ? (int)left : 0;
}

static void step(struct parent *parent)
{
    struct pollfd fds[] = { { .fd = parent->signals, .events = POLLIN },
                            { .fd = parent->shared->bell, .events = POLLIN } };
    poll(fds, 2, wait_ms(parent));
    bell_quiet(parent->shared->bell);
    take_signals(parent);
    bury_all(parent);
    if (!parent->ready && edge_shared_total(parent->shared).serving == parent->shared->count) {
        parent->ready = true;
        log_info(NULL, "ready");
    }
    if (parent->stopping && clock_ms() >= parent->kill_ms)
        tell_all(parent, SIGKILL);
    if (!parent->stopping)
        start_due(parent);
}

int edge_processes_run(const struct edge_settings *settings, struct edge_shared *shared)
{
    struct parent parent = { .settings = settings, .shared = shared, .signals = signals_open() };
    if (pipe2(parent.alive, O_CLOEXEC) != 0)
        abort();
    start_due(&parent);
    while (!parent.stopping || running(&parent))
        step(&parent);
    close(parent.signals);
    close(parent.alive[0]);
    close(parent.alive[1]);
    return parent.status;
}
