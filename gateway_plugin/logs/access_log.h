#pragma once
/*
 * The access log: the setting's and those of file-log plugins. A loop makes the
 * line and leaves it in its lane (backlog.h); one thread writes. Where a disk or
 * a reader is too slow lines are lost and counted, and nobody waits.
 */
#include "logs/access_line.h"

#include "base/ctx.h"

#include <stdatomic.h>

struct access_log;
struct edge;

/* Of a process, in memory that the others read. */
struct log_counts {
    _Atomic int64_t written, lost;
};

/* false, and an error that names the setting: its file cannot be opened. */
struct access_log *access_log_create(struct ctx *ctx, struct edge *edge);
/* Once no loop uses it: writes what is left, for a second at most. */
void access_log_destroy(struct access_log *log);
/* Any thread: files are opened anew (they were moved away). */
void access_log_reopen(struct access_log *log);

/* The head of the answer leaves: is the request one of the sample? */
void access_log_head(struct access_log *log, struct exchange *x);
/* A request is over: a line in the setting's log, if there is one and the sample has it. */
void access_log_request(struct access_log *log, const struct exchange *x);
/* A line in JSON in the file at `path`. `follow`: when the file was moved away or deleted, another one is made. */
void access_log_to(struct access_log *log, const struct exchange *x, const char *path, bool follow);
