#include "nats/nats_fixture.h"

#include "base/calm_clock.h"
#include "base/held_port.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const users[] = { "edge", "auth", "media", "notify", "operator" };

void sleep_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

bool eventually(int timeout_ms, bool (*is)(void *self), void *self)
{
    for (int64_t until = calm_ms() + timeout_ms; calm_ms() < until; sleep_ms(5))
        if (is(self))
            return true;
    return is(self);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static bool answers(void *self)
{
    const struct nats_server *server = self;
    struct sockaddr_in address = loopback(server->port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool out = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return out;
}

static const char *binary(void)
{
    static const char *const places[] = { "/usr/sbin/nats-server", "/usr/bin/nats-server",
                                          "/usr/local/bin/nats-server" };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    if (getenv("CI") && strcmp(getenv("CI"), "true") == 0)
        cr_assert_fail("nats-server is missing");
    cr_skip_test("nats-server is missing");
    return NULL;
}

void nats_server_create(struct nats_server *server, const char *conf)
{
    *server = (struct nats_server){ .port = held_port(), .conf = conf };
    snprintf(server->dir, sizeof server->dir, "/tmp/tonearm-nats-XXXXXX");
    cr_assert_not_null(mkdtemp(server->dir));
    snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%d", server->port);
    nats_server_start(server);
}

static void set_environment(const struct nats_server *server, const char *port)
{
    setenv("NATS_PORT", port, 1);
    setenv("NATS_STORE_DIR", server->dir, 1);
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        char name[64] = "NATS_", password[64];
        for (size_t at = 0; users[i][at]; at++)
            name[5 + at] = (char)(users[i][at] - 'a' + 'A');
        strcat(name, "_PASSWORD");
        snprintf(password, sizeof password, "p_%s", users[i]);
        setenv(name, password, 1);
    }
}

static void run(const struct nats_server *server, const char *path)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char port[12], log[80];
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(log, sizeof log, "%s/log", server->dir);
    set_environment(server, port);
    if (server->conf)
        execl(path, path, "-c", server->conf, "-l", log, (char *)NULL);
    execl(path, path, "-a", "127.0.0.1", "-p", port, "-js", "-sd", server->dir, "-l", log, (char *)NULL);
    _exit(127);
}

void nats_server_start(struct nats_server *server)
{
    const char *path = binary();
    server->pid = fork();
    cr_assert_geq(server->pid, 0);
    if (server->pid == 0)
        run(server, path);
    cr_assert(eventually(30000, answers, server), "nats-server does not start");
}

void nats_server_signal(struct nats_server *server, int number)
{
    cr_assert_gt(server->pid, 0);
    kill(server->pid, number);
    if (number == SIGSTOP) /* its threads stop one after the other; the last may still answer */
        waitpid(server->pid, NULL, WUNTRACED);
    if (number != SIGTERM && number != SIGKILL)
        return;
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void nats_server_wipe(struct nats_server *server)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s/jetstream'", server->dir);
    cr_assert_eq(system(command), 0);
}

void nats_server_destroy(struct nats_server *server)
{
    if (server->pid > 0)
        nats_server_signal(server, SIGKILL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", server->dir);
    cr_assert_eq(system(command), 0);
}

char *nats_server_url(const struct nats_server *server, const char *user)
{
    char *out = NULL;
    cr_assert_gt(asprintf(&out, "nats://%s:p_%s@127.0.0.1:%d", user, user, server->port), 0);
    return out;
}
