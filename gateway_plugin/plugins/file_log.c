/*
 * Kong's file-log: a line in JSON for each request, with the names of Kong's. The
 * settings EDGE_ACCESS_LOG... do the same for all requests, in other formats too.
 */
#include "plugins/plugins.h"

#include "logs/access_log.h"
#include "process/edge.h"
#include "exchange/exchange.h"

struct file_log {
    const char *path;
    bool reopen;
};

static bool is_path(const char *text)
{
    return strlen(text) < 512 && !strpbrk(text, "*&%`\\") && text[strlen(text) - 1] != '/';
}

static const struct option options[] = {
    OPTION("path", OPTION_TEXT, struct file_log, path, .required = true, .valid = is_path,
           .rule = "is no path of a file: under 512 bytes, without *&%`\\"),
    OPTION("reopen", OPTION_FLAG, struct file_log, reopen),
    { .name = "custom_fields_by_lua",
      .kind = OPTION_REFUSED,
      .instead = "the edge runs no code of its file; docs/logs-and-traces.md tells what a line has" },
    { 0 },
};

static void keep_head(struct exchange *x, const void *config)
{
    (void)config;
    client_look(x);
    access_line_keep_head(x);
}

static void log_line_of(struct exchange *x, const void *config)
{
    const struct file_log *log = config;
    access_log_to(x->loop->edge->log, x, log->path, log->reopen);
}

const struct plugin file_log_plugin = {
    .name = "file-log",
    .config_size = sizeof(struct file_log),
    .options = options,
    .header = keep_head,
    .log = log_line_of,
};
