#pragma once
/* One helper process and the socket to it. For probe.c; one thread at a time. */
#include "base/ctx.h"
#include "probe/protocol.h"

#include <sys/types.h>

struct child {
    pid_t pid; /* 0 = none runs */
    int socket;
    unsigned jobs; /* since it was started */
};

enum exchange {
    EXCHANGE_DONE = 1,
    EXCHANGE_DEAD,   /* the process ended, or answered what is no answer; it has been reaped */
    EXCHANGE_KILLED, /* the same, and it was SIGKILL from outside: that says nothing about the file */
    EXCHANGE_LATE,   /* past the deadline; it has been killed */
};

bool child_start(struct ctx *ctx, struct child *child, const char *path);
/* Kills and reaps it: the status it ended with, where it had ended before. Nothing happens where none runs. */
int child_end(struct child *child);

/* Asks and waits until `until_ms` on clock_ms(). `facts` and `cover` point into ctx->arena. */
enum exchange child_ask(struct ctx *ctx, struct child *child, const struct probe_question *question, int fd,
                        int64_t until_ms, struct probe_answer *answer, char **facts, char **cover);
