#pragma once
/*
 * JSON lines on stderr: {"time","level","process","message",...,"requestId"}.
 * Any thread; lines of several threads never mix.
 * Secrets never come here: callers pass ids, not values.
 */
#include "base/ctx.h"

enum log_level { LOG_DEBUG = 1, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Once, before threads start. `process` is kept. Lines below `least` are dropped. */
void log_start(const char *process, enum log_level least);

/* `ctx` may be NULL; it gives requestId and trace. Extra pairs follow the message: name, value, ..., NULL (all
 * strings). */
void log_line(enum log_level level, const struct ctx *ctx, const char *message, ...) __attribute__((sentinel));
#define log_debug(ctx, ...) log_line(LOG_DEBUG, (ctx), __VA_ARGS__, (char *)NULL)
#define log_info(ctx, ...) log_line(LOG_INFO, (ctx), __VA_ARGS__, (char *)NULL)
#define log_warn(ctx, ...) log_line(LOG_WARN, (ctx), __VA_ARGS__, (char *)NULL)
#define log_error(ctx, ...) log_line(LOG_ERROR, (ctx), __VA_ARGS__, (char *)NULL)

/* The pending error of `ctx` with all its causes and places. */
void log_failure(enum log_level level, const struct ctx *ctx, const char *message);
