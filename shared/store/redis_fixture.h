#pragma once
/* A redis-server of a test's own: it goes, comes back on its port, and freezes. */
#include <hiredis.h>
#include <stdbool.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid;
    int port;
};

/* Skips the test where there is no redis-server, but in CI. `password`: NULL is none. */
void redis_server_start(struct redis_server *server, const char *password);
/* The same again, on its port and empty. */
void redis_server_again(struct redis_server *server, const char *password);
void redis_server_kill(struct redis_server *server);
/* Waits until all of it stands still, or goes on. */
void redis_server_freeze(struct redis_server *server, bool frozen);
/* One command's reply; freeReplyObject(). */
redisReply *redis_server_ask(const struct redis_server *server, const char *password, const char *database,
                             const char *command);
