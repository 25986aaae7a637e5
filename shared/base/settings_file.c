#include "base/settings_parts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 };

char *small_file_read(struct arena *arena, const char *path, const char **reason)
{
    char *data = arena_alloc(arena, FILE_MAX + 2);
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t size = 0;
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && size <= FILE_MAX) {
        n = read(fd, data + size, FILE_MAX + 1 - size);
        size += n > 0 ? (size_t)n : 0;
    }
    *reason = n < 0                   ? strerror(errno)
              : size > FILE_MAX       ? "larger than 64 KiB"
              : memchr(data, 0, size) ? "holds a NUL byte"
                                      : NULL;
    if (*reason)
        return NULL;
    if (size && data[size - 1] == '\n')
        data[--size] = 0;
    if (size && data[size - 1] == '\r')
        data[--size] = 0;
    return data;
}

/* Up to the closing quote; in double quotes \n, \t, \", \\ and \$ are what they are in a shell. NULL: it does not
 * close. */
static const char *unquote(const char *text, struct buf *out)
{
    char quote = *text++;
    for (; *text && *text != quote; text++) {
        if (*text == '\\' && quote == '"' && text[1]) {
            text++;
            buf_char(out, *text == 'n' ? '\n' : *text == 't' ? '\t' : *text);
        } else
            buf_char(out, *text);
    }
    return *text ? text + 1 : NULL;
}

/* What may stand after a value: blanks and a comment. */
static bool only_comment(const char *text)
{
    text += strspn(text, " \t");
    return !*text || *text == '#';
}

static const char *parse_value(struct arena *arena, char *text)
{
    struct buf out = BUF(arena);
    buf_text(&out, "");
    if (*text == '"' || *text == '\'') {
        const char *rest = unquote(text, &out);
        return rest && only_comment(rest) ? out.data : NULL;
    }
    for (char *c = text; *c; c++)
        if (*c == '#' && (c == text || isblank((unsigned char)c[-1])))
            *c-- = 0;
    size_t size = strlen(text);
    while (size && isblank((unsigned char)text[size - 1]))
        size--;
    buf_add(&out, text, size);
    return out.data;
}

/* "export NAME = value", without the export and the blanks. false: it is none. */
static bool parse_line(struct arena *arena, char *text, struct env_line *line)
{
    if (text_starts(text, "export ") || text_starts(text, "export\t"))
        text += strlen("export ");
    text += strspn(text, " \t");
    size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    char *after = text + size + strspn(text + size, " \t");
    if (!size || isdigit((unsigned char)*text) || *after != '=')
        return false;
    after++;
    after += strspn(after, " \t");
    line->name = arena_memdup(arena, text, size);
    line->value = parse_value(arena, after);
    return line->value != NULL;
}

bool env_file_read(struct ctx *ctx, const char *path, bool may_be_absent, struct env_line **last)
{
    const char *reason;
    char *rest = small_file_read(&ctx->arena, path, &reason);
    if (!rest && may_be_absent && errno == ENOENT)
        return true;
    if (!rest)
        return ctx_violation(ctx, path, "file", "%s", reason), false;
    bool good = true;
    for (int number = 1; rest; number++) {
        char *text = strsep(&rest, "\n");
        text[strcspn(text, "\r")] = 0;
        text += strspn(text, " \t");
        if (!*text || *text == '#')
            continue;
        struct env_line *line = arena_new(&ctx->arena, struct env_line);
        if (parse_line(&ctx->arena, text, line)) {
            line->before = *last;
            *last = line;
            continue;
        }
        good = false;
        ctx_violation(ctx, arena_printf(&ctx->arena, "%s:%d", path, number), "file", "is not NAME=value");
    }
    return good;
}
