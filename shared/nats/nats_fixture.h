#pragma once
/* For tests: a nats-server of their own on a free port, in a temporary directory, ended by its pid. */
#include <stdbool.h>
#include <sys/types.h>

struct nats_server {
    pid_t pid; /* 0 = not running */
    int port;
    char dir[64];
    char url[64];     /* nats://127.0.0.1:PORT */
    const char *conf; /* NULL: JetStream in `dir`, no users */
};

/* A missing nats-server skips the test, or fails it where CI=true. With `conf`, it is run with NATS_PORT,
 * NATS_STORE_DIR and the passwords p_<user>. */
void nats_server_create(struct nats_server *server, const char *conf);
void nats_server_start(struct nats_server *server);
void nats_server_signal(struct nats_server *server, int number); /* SIGTERM and SIGKILL wait for its end */
void nats_server_wipe(struct nats_server *server);               /* forgets the streams; not running */
void nats_server_destroy(struct nats_server *server);
/* nats://USER:p_USER@127.0.0.1:PORT */
char *nats_server_url(const struct nats_server *server, const char *user);

/* Stands between a process and the server, and can cut them off, or hold back all that is said, while the server goes
 * on. */
struct nats_proxy;
struct nats_proxy *nats_proxy_create(const struct nats_server *server);
int nats_proxy_port(const struct nats_proxy *proxy);
void nats_proxy_cut(struct nats_proxy *proxy, bool cut);
void nats_proxy_delay(struct nats_proxy *proxy, int ms);
void nats_proxy_destroy(struct nats_proxy *proxy);

void sleep_ms(int ms);
/* Polls every 5 ms. The time is calm_ms()'s: a promise in time is asked of us, not of the machine. */
bool eventually(int timeout_ms, bool (*is)(void *self), void *self);
