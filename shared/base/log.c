#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

static const char *log_process = "tonearm";
static enum log_level log_least = LOG_INFO;
static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
};

void log_start(const char *process, enum log_level least)
{
    log_process = process;
    log_least = least;
}

static void add_pair(struct buf *line, const char *name, const char *value)
{
    buf_char(line, ',');
    buf_json(line, name);
    buf_char(line, ':');
    buf_json(line, value);
}

static void begin(struct buf *line, enum log_level level, const struct ctx *ctx, const char *message)
{
    buf_text(line, "{\"time\":");
    buf_json(line, clock_format(line->arena, clock_now_ms()));
    add_pair(line, "level", level_names[level]);
    add_pair(line, "process", log_process);
    add_pair(line, "message", message);
    if (ctx && ctx->request_id && *ctx->request_id)
        add_pair(line, "requestId", ctx->request_id);
    if (ctx && ctx->traceparent)
        add_pair(line, "traceparent", ctx->traceparent);
}

static void end(struct buf *line)
{
    buf_text(line, "}\n");
    static pthread_mutex_t whole = PTHREAD_MUTEX_INITIALIZER; /* a pipe takes more than 4 KiB in pieces */
    pthread_mutex_lock(&whole);
    for (size_t done = 0; done < line->size;) {
        ssize_t n = write(STDERR_FILENO, line->data + done, line->size - done);
        if (n <= 0 && errno != EINTR)
            break; /* the line is lost: there is nobody left to tell */
        done += n > 0 ? (size_t)n : 0;
    }
    pthread_mutex_unlock(&whole);
}

void log_line(enum log_level level, const struct ctx *ctx, const char *message, ...)
{
    if (level < log_least)
        return;
    struct arena arena = { 0 };
    struct buf line = BUF(&arena);
    begin(&line, level, ctx, message);
    va_list args;
    va_start(args, message);
    for (const char *name; (name = va_arg(args, const char *));)
        add_pair(&line, name, va_arg(args, const char *));
    va_end(args);
    end(&line);
    arena_free(&arena);
}

void log_failure(enum log_level level, const struct ctx *ctx, const char *message)
{
    if (level < log_least)
        return;
    struct arena arena = { 0 };
    struct buf line = BUF(&arena);
    begin(&line, level, ctx, message);
    buf_text(&line, ",\"errors\":[");
    for (const struct error *error = ctx->error; error; error = error->cause) {
        if (error != ctx->error)
            buf_char(&line, ',');
        buf_printf(&line, "{\"status\":%d", error_http_status(error->code));
        add_pair(&line, "message", error->message);
        add_pair(&line, "where", error->where);
        buf_char(&line, '}');
    }
    buf_char(&line, ']');
    end(&line);
    arena_free(&arena);
}
