#include "edge_fixture.h"

#include "base/clock.h"
#include "base/held_port.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int edge_free_port(void)
{
    return held_port();
}

static void write_file(const struct edge_process *edge, const char *yaml, va_list args)
{
    char path[128];
    snprintf(path, sizeof path, "%s/edge.yml", edge->dir);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    vfprintf(file, yaml, args);
    fclose(file);
}

void edge_process_write(struct edge_process *edge, const char *yaml, ...)
{
    va_list args;
    va_start(args, yaml);
    write_file(edge, yaml, args);
    va_end(args);
}

/* What h2o keeps for each thread and each queue is never given back. */
static void suppress_leaks(const struct edge_process *edge)
{
    char path[128], options[192];
    snprintf(path, sizeof path, "%s/leaks", edge->dir);
    FILE *file = fopen(path, "w");
    fputs("leak:h2o_mem_alloc_recycle\nleak:h2o_multithread_create_queue\n", file);
    fclose(file);
    snprintf(options, sizeof options, "suppressions=%s:print_suppressions=0", path);
    setenv("LSAN_OPTIONS", options, 1);
}

static void set_address(const char *name, int port)
{
    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%d", port);
    setenv(name, text, 1);
}

static void run(const struct edge_process *edge, const char *const *environment)
{
    char binary[1024], config[128], log[128];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(config, sizeof config, "%s/edge.yml", edge->dir);
    snprintf(log, sizeof log, "%s/log", edge->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    suppress_leaks(edge);
    set_address("EDGE_LISTEN", edge->port);
    set_address("EDGE_ADMIN_LISTEN", edge->admin_port);
    setenv("EDGE_CONFIG", config, 1);
    setenv("NATS_URL", "", 1);
    setenv("EDGE_THREADS", "2", 1);
    setenv("EDGE_PROCESSES", "1", 1); /* two: test_edge_processes.c */
    setenv("DRAIN", "3s", 1);
    for (; environment && *environment; environment++)
        putenv((char *)*environment);
    if (getenv("WITH_TLS"))
        set_address("EDGE_TLS_LISTEN", edge->tls_port);
    const char *program = getenv("EDGE_PROGRAM");
    snprintf(binary, sizeof binary, "%s/%s", getenv("BUILD"), program ? program : "gateway_plugin/tonearm-edge");
    if (chdir(edge->dir) == 0)
        execl(binary, binary, (char *)NULL);
    _exit(127);
}

static bool listens(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool out = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return out;
}

void edge_process_start(struct edge_process *edge, const char *const *environment, const char *yaml, ...)
{
    *edge =
        (struct edge_process){ .port = edge_free_port(), .tls_port = edge_free_port(), .admin_port = edge_free_port() };
    strcpy(edge->dir, "/tmp/tonearm-edge-XXXXXX");
    cr_assert_not_null(mkdtemp(edge->dir));
    va_list args;
    va_start(args, yaml);
    write_file(edge, yaml, args);
    va_end(args);
    edge_process_again(edge, environment);
}

void edge_process_again(struct edge_process *edge, const char *const *environment)
{
    edge->pid = fork();
    cr_assert_geq(edge->pid, 0);
    if (edge->pid == 0)
        run(edge, environment);
    int64_t until = clock_ms() + 30000;
    /* The admin's side is the last to be bound; a test may want TLS alone. */
    while (!listens(edge->admin_port) || (!listens(edge->port) && !listens(edge->tls_port))) {
        cr_assert(clock_ms() < until && waitpid(edge->pid, NULL, WNOHANG) == 0, "the edge does not start: %s",
                  edge_process_log(edge));
        usleep(5000);
    }
}

void edge_process_signal(struct edge_process *edge, int number)
{
    cr_assert_eq(kill(edge->pid, number), 0);
}

void edge_process_stop(struct edge_process *edge)
{
    int status = 0;
    edge_process_signal(edge, SIGTERM);
    cr_assert_eq(waitpid(edge->pid, &status, 0), edge->pid);
    char *log = edge_process_log(edge);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the edge ended with %d: %s", status, log);
    free(log);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", edge->dir);
    cr_assert_eq(system(command), 0);
}

static char *slurp(const char *path)
{
    char *out = calloc(1, 1 << 20);
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? 0 : read(fd, out, (1 << 20) - 1);
    if (fd >= 0)
        close(fd);
    out[size < 0 ? 0 : size] = 0;
    return out;
}

char *edge_process_log(const struct edge_process *edge)
{
    char path[128];
    snprintf(path, sizeof path, "%s/log", edge->dir);
    return slurp(path);
}

bool edge_process_ready(void *edge)
{
    char *answer = get(((struct edge_process *)edge)->admin_port, "/ready", "");
    bool ready = status_of(answer) == 200;
    free(answer);
    return ready;
}

long edge_process_memory(const struct edge_process *edge)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)edge->pid);
    char *text = slurp(path);
    const char *at = strstr(text, "VmRSS:");
    long kib = at ? strtol(at + 6, NULL, 10) : 0;
    free(text);
    return kib;
}

bool edge_process_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

struct deaf_port deaf_port_open(void)
{
    struct deaf_port deaf = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    cr_assert_eq(bind(deaf.fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(deaf.fd, 0), 0);
    cr_assert_eq(getsockname(deaf.fd, (struct sockaddr *)&address, &size), 0);
    deaf.port = ntohs(address.sin_port);
    /* Its queue is full from now on: the kernel drops what comes. */
    for (size_t i = 0; i < sizeof deaf.callers / sizeof *deaf.callers; i++) {
        deaf.callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(deaf.callers[i], (struct sockaddr *)&address, size) != 0)
            cr_assert_eq(errno, EINPROGRESS);
    }
    usleep(20000);
    return deaf;
}

void deaf_port_close(struct deaf_port *deaf)
{
    for (size_t i = 0; i < sizeof deaf->callers / sizeof *deaf->callers; i++)
        close(deaf->callers[i]);
    close(deaf->fd);
}
