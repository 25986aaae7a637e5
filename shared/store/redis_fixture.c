#include "store/redis_fixture.h"

#include "base/held_port.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

void redis_server_again(struct redis_server *server, const char *password)
{
    server->pid = fork();
    if (server->pid == 0) {
        char number[16];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(number, sizeof number, "%d", server->port);
        execlp("redis-server", "redis-server", "--port", number, "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp",
               "--requirepass", password ? password : "", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; !listens(server->port); i++) {
        cr_assert_lt(i, 6000, "redis-server did not start");
        usleep(5000);
    }
}

void redis_server_start(struct redis_server *server, const char *password)
{
    if (system("command -v redis-server >/dev/null") != 0) {
        cr_assert(!text_equal(getenv("CI"), "true"), "redis-server is not there");
        cr_skip_test("redis-server is not there");
    }
    server->port = held_port();
    redis_server_again(server, password);
}

void redis_server_kill(struct redis_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}

/* All of its threads are in `state`. */
static bool all_are(pid_t pid, char state)
{
    char command[128];
    snprintf(command, sizeof command, "! cat /proc/%d/task/*/stat | sed 's/.*) //' | grep -qv '^%c'", (int)pid, state);
    return system(command) == 0;
}

void redis_server_freeze(struct redis_server *server, bool frozen)
{
    kill(server->pid, frozen ? SIGSTOP : SIGCONT);
    for (int i = 0; frozen && !all_are(server->pid, 'T'); i++) {
        cr_assert_lt(i, 1000);
        usleep(1000);
    }
}

redisReply *redis_server_ask(const struct redis_server *server, const char *password, const char *database,
                             const char *command)
{
    redisContext *redis = redisConnect("127.0.0.1", server->port);
    cr_assert(redis && !redis->err);
    if (password)
        freeReplyObject(redisCommand(redis, "AUTH %s", password));
    freeReplyObject(redisCommand(redis, "SELECT %s", database));
    redisReply *reply = redisCommand(redis, command);
    cr_assert_not_null(reply);
    redisFree(redis);
    return reply;
}
