/*
 * tonearm-supervise DIR: keeps a set of processes running.
 *
 * DIR/procs has a line for each: NAME, ENVFILE ("-" = none), COMMAND and its
 * arguments, all by tabs. What dies is started again
 * after 1 s, doubling to 30 s; one that ran for 30 s begins at 1 s again.
 *
 *   DIR/pid/NAME     the process's id while it runs
 *   DIR/log/NAME.log what it prints, appended; started anew (NAME.log.1) from 16 MiB on
 *   DIR/pid/supervise  this process's id
 *
 * SIGHUP reads procs again: starts what is new, stops what is gone.
 * SIGTERM, SIGINT stop everything, last line first: TERM, and KILL after 15 s.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCS_MAX = 64, ARGS_MAX = 64, LINE_MAX_BYTES = 4096, STOP_S = 15, STEADY_S = 30, DELAY_MAX_S = 30 };
enum { LOG_MAX = 16 << 20 };

struct proc {
    char line[LINE_MAX_BYTES]; /* as read: two equal lines are the same process */
    char name[64];
    char env_file[1024];
    char command[LINE_MAX_BYTES];
    pid_t pid;       /* 0: not running */
    time_t started;  /* monotonic seconds */
    time_t start_at; /* when it is due again */
    int delay;       /* seconds to wait after the next death */
    bool listed;     /* in procs as last read */
};

struct supervisor {
    struct proc procs[PROCS_MAX];
    size_t count;
};

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void say(const char *name, const char *what, int value)
{
    fprintf(stderr, "supervise: %s %s %d\n", name, what, value);
}

/* Whole or not at all: who reads it never sees half an id. */
static void pid_file(const char *name, pid_t pid)
{
    char path[128], temporary[160];
    snprintf(path, sizeof path, "pid/%s", name);
    if (!pid) {
        unlink(path);
        return;
    }
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "we");
    if (!file)
        return;
    fprintf(file, "%d\n", (int)pid);
    fclose(file);
    rename(temporary, path);
}

static bool parse(const char *line, struct proc *out)
{
    *out = (struct proc){ .delay = 1, .listed = true };
    snprintf(out->line, sizeof out->line, "%s", line);
    char copy[LINE_MAX_BYTES];
    snprintf(copy, sizeof copy, "%s", line);
    char *rest = copy;
    const char *name = strsep(&rest, "\t"), *env = strsep(&rest, "\t");
    if (!name || !*name || !env || !rest || !*rest)
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-')
            return false;
    return snprintf(out->name, sizeof out->name, "%s", name) < (int)sizeof out->name &&
           snprintf(out->env_file, sizeof out->env_file, "%s", env) < (int)sizeof out->env_file &&
           snprintf(out->command, sizeof out->command, "%s", rest) < (int)sizeof out->command;
}

/* NAME=value lines; no quoting: what `tonearm env` and ./dev write has none. */
static void load_env(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "supervise: %s: %s\n", path, strerror(errno));
        _exit(78);
    }
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *equals = strchr(line, '=');
        if (*line == '#' || !equals)
            continue;
        *equals = 0;
        setenv(line, equals + 1, 1);
    }
    fclose(file);
}

static int log_open(const char *name)
{
    char path[128], old[160];
    snprintf(path, sizeof path, "log/%s.log", name);
    struct stat info;
    if (stat(path, &info) == 0 && info.st_size > LOG_MAX) {
        snprintf(old, sizeof old, "%s.1", path);
        rename(path, old);
    }
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* In the child, never returns. */
static void become(const struct proc *proc, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a killed supervisor leaves nobody behind */
    if (getppid() != parent)
        _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int log = log_open(proc->name), nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (strcmp(proc->env_file, "-") != 0)
        load_env(proc->env_file);
    char copy[LINE_MAX_BYTES];
    snprintf(copy, sizeof copy, "%s", proc->command);
    char *args[ARGS_MAX + 1] = { 0 };
    char *rest = copy;
    for (size_t i = 0; rest && i < ARGS_MAX; i++)
        args[i] = strsep(&rest, "\t");
    execvp(args[0], args);
    fprintf(stderr, "supervise: %s: %s\n", args[0], strerror(errno));
    _exit(127);
}

static void start(struct proc *proc)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(proc, parent);
    proc->started = now_s();
    if (pid < 0) {
        proc->start_at = proc->started + 1;
        return;
    }
    proc->pid = pid;
    pid_file(proc->name, pid);
    say(proc->name, "started as", (int)pid);
}

static void read_procs(struct supervisor *supervisor)
{
    FILE *file = fopen("procs", "re");
    if (!file)
        return;
    for (size_t i = 0; i < supervisor->count; i++)
        supervisor->procs[i].listed = false;
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        struct proc found;
        if (!*line || *line == '#')
            continue;
        if (!parse(line, &found)) {
            fprintf(stderr, "supervise: not a line of procs: %s\n", line);
            continue;
        }
        struct proc *known = NULL;
        for (size_t i = 0; i < supervisor->count && !known; i++)
            if (strcmp(supervisor->procs[i].line, line) == 0)
                known = &supervisor->procs[i];
        if (known)
            known->listed = true;
        else if (supervisor->count < PROCS_MAX)
            supervisor->procs[supervisor->count++] = found;
    }
    fclose(file);
    for (size_t i = 0; i < supervisor->count; i++)
        if (!supervisor->procs[i].listed && supervisor->procs[i].pid)
            kill(supervisor->procs[i].pid, SIGTERM);
}

static void bury(struct supervisor *supervisor)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < supervisor->count; i++) {
            struct proc *proc = &supervisor->procs[i];
            if (proc->pid != pid)
                continue;
            if (WIFSIGNALED(status))
                say(proc->name, "died of signal", WTERMSIG(status));
            else
                say(proc->name, "ended with status", WEXITSTATUS(status));
            proc->pid = 0;
            pid_file(proc->name, 0);
            time_t now = now_s();
            if (now - proc->started >= STEADY_S)
                proc->delay = 1;
            proc->start_at = now + proc->delay;
            proc->delay = proc->delay * 2 < DELAY_MAX_S ? proc->delay * 2 : DELAY_MAX_S;
        }
}

static void start_due(struct supervisor *supervisor)
{
    time_t now = now_s();
    size_t kept = 0;
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->procs[i].listed || supervisor->procs[i].pid)
            supervisor->procs[kept++] = supervisor->procs[i];
    supervisor->count = kept;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct proc *proc = &supervisor->procs[i];
        if (proc->listed && !proc->pid && now >= proc->start_at)
            start(proc);
    }
}

/* Last first: who asks goes before who answers. Each has ended before the next is told. */
static void stop_all(struct supervisor *supervisor)
{
    time_t until = now_s() + STOP_S;
    for (size_t i = supervisor->count; i-- > 0;) {
        struct proc *proc = &supervisor->procs[i];
        if (!proc->pid)
            continue;
        kill(proc->pid, SIGTERM);
        /* Replicas and others of one kind may go together; a dependency waits for its users. */
        while (proc->pid) {
            bury(supervisor);
            if (proc->pid && now_s() >= until)
                kill(-proc->pid, SIGKILL);
            if (proc->pid)
                nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        }
    }
}

static bool become_the_only_one(void)
{
    int lock = open("pid/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
        fprintf(stderr, "supervise: another one runs here\n");
        return false;
    }
    return true; /* held until the end of the process */
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: tonearm-supervise DIR\n");
        return 64;
    }
    close_range(3, ~0U, 0); /* nothing of who started it lives on here */
    mkdir("pid", 0700);
    mkdir("log", 0700);
    if (!become_the_only_one())
        return 75;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_file("supervise", getpid());

    static struct supervisor supervisor;
    read_procs(&supervisor);
    for (;;) {
        start_due(&supervisor);
        int number = sigtimedwait(&set, NULL, &(struct timespec){ .tv_nsec = 200000000 });
        bury(&supervisor);
        if (number == SIGHUP)
            read_procs(&supervisor);
        if (number == SIGTERM || number == SIGINT)
            break;
    }
    stop_all(&supervisor);
    pid_file("supervise", 0);
    return 0;
}
