#include "probe/child.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "probe/facts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Nothing of this process reaches it but the socket and stderr: no descriptor, no environment, no blocked signal. */
static int spawn(pid_t *pid, const char *path, int socket)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, socket, PROBE_SOCKET);
    posix_spawn_file_actions_addclosefrom_np(&files, PROBE_SOCKET + 1);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char *const argv[] = { (char *)"tonearm-probe", NULL };
    char *const envp[] = { NULL };
    int error = posix_spawn(pid, path, &files, &how, argv, envp);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

bool child_start(struct ctx *ctx, struct child *child, const char *path)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "no socket for the media helper: %s", strerror(errno));
    _cleanup_(closep) int theirs = pair[1];
    _cleanup_(closep) int high = -1;
    /* dup2() onto itself would keep close-on-exec. */
    if (theirs == PROBE_SOCKET)
        theirs = high = fcntl(theirs, F_DUPFD_CLOEXEC, PROBE_SOCKET + 1);
    pid_t pid;
    int error = spawn(&pid, path, theirs);
    if (error) {
        close(pair[0]);
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the media helper cannot be started: %s", strerror(error));
    }
    *child = (struct child){ .pid = pid, .socket = pair[0] };
    return true;
}

int child_end(struct child *child)
{
    int status = 0;
    if (child->pid == 0)
        return status;
    close(child->socket);
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    *child = (struct child){ 0 };
    return status;
}

static bool send_question(const struct child *child, const struct probe_question *question, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec from = { (void *)question, sizeof *question };
    struct msghdr message = {
        .msg_iov = &from, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(child->socket, &message, MSG_NOSIGNAL) == sizeof *question;
}

static enum exchange receive(const struct child *child, void *into, size_t size, int64_t until_ms)
{
    for (char *at = into; size > 0;) {
        int64_t left = until_ms - clock_ms();
        struct pollfd ready = { .fd = child->socket, .events = POLLIN };
        if (left <= 0 || poll(&ready, 1, (int)left) == 0)
            return EXCHANGE_LATE;
        ssize_t got = recv(child->socket, at, size, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return EXCHANGE_KILLED; /* by whom, its status will tell */
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
    return EXCHANGE_DONE;
}

static enum exchange receive_part(struct ctx *ctx, const struct child *child, size_t size, int64_t until_ms, char **out)
{
    *out = arena_alloc(&ctx->arena, size + 1);
    return receive(child, *out, size, until_ms);
}

static enum exchange ask(struct ctx *ctx, struct child *child, const struct probe_question *question, int fd,
                         int64_t until_ms, struct probe_answer *answer, char **facts, char **cover)
{
    if (!send_question(child, question, fd))
        return EXCHANGE_KILLED;
    enum exchange done = receive(child, answer, sizeof *answer, until_ms);
    if (done != EXCHANGE_DONE)
        return done;
    if ((answer->verdict != PROBE_DONE && answer->verdict != PROBE_REFUSED) || answer->facts_size > FACTS_JSON_MAX ||
        answer->cover_size > COVER_BYTES_MAX)
        return EXCHANGE_DEAD;
    done = receive_part(ctx, child, answer->facts_size, until_ms, facts);
    return done == EXCHANGE_DONE ? receive_part(ctx, child, answer->cover_size, until_ms, cover) : done;
}

enum exchange child_ask(struct ctx *ctx, struct child *child, const struct probe_question *question, int fd,
                        int64_t until_ms, struct probe_answer *answer, char **facts, char **cover)
{
    enum exchange done = ask(ctx, child, question, fd, until_ms, answer, facts, cover);
    child->jobs++;
    int status = done == EXCHANGE_DONE ? 0 : child_end(child);
    if (done == EXCHANGE_KILLED && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        return EXCHANGE_DEAD;
    return done;
}
