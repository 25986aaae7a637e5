#include "transform/multipart.h"

#include "base/text.h"
#include "client/head_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is left of a text that is read from its front. */
struct rest {
    const char *at, *end;
};

static bool take(struct rest *rest, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(rest->end - rest->at) < size || strncasecmp(rest->at, text, size) != 0)
        return false;
    rest->at += size;
    return true;
}

static void skip_blanks(struct rest *rest)
{
    while (rest->at < rest->end && (*rest->at == ' ' || *rest->at == '\t'))
        rest->at++;
}

struct param {
    const char *name, *value;
    size_t name_size, value_size;
};

/* A backslash before a quote ends the text for some and not for others. */
static bool take_quoted(struct rest *rest, struct param *param)
{
    const char *begin = ++rest->at;
    const char *close = memchr(begin, '"', (size_t)(rest->end - begin));
    if (!close || (close > begin && close[-1] == '\\'))
        return false;
    param->value = begin;
    param->value_size = (size_t)(close - begin);
    rest->at = close + 1;
    return true;
}

/* `; NAME=VALUE`. false: malformed. */
static bool take_param(struct rest *rest, struct param *param)
{
    skip_blanks(rest);
    if (!take(rest, ";"))
        return false;
    skip_blanks(rest);
    param->name = rest->at;
    while (rest->at < rest->end && is_token_char((unsigned char)*rest->at))
        rest->at++;
    param->name_size = (size_t)(rest->at - param->name);
    if (!param->name_size || !take(rest, "="))
        return false;
    bool good = true;
    param->value = rest->at;
    if (rest->at < rest->end && *rest->at == '"') {
        good = take_quoted(rest, param);
    } else {
        while (rest->at < rest->end && is_token_char((unsigned char)*rest->at))
            rest->at++;
        param->value_size = (size_t)(rest->at - param->value);
    }
    skip_blanks(rest);
    return good;
}

static bool is_name(const struct param *param, const char *name)
{
    return param->name_size == strlen(name) && strncasecmp(param->name, name, param->name_size) == 0;
}

/* The one of this name among those that are left. false: there is none, or more than one, or something malformed. */
static bool only_param(struct rest *rest, const char *name, struct param *out)
{
    size_t count = 0;
    char extended[32];
    snprintf(extended, sizeof extended, "%s*", name);
    skip_blanks(rest);
    while (rest->at < rest->end) {
        struct param param;
        if (!take_param(rest, &param) || is_name(&param, extended))
            return false;
        if (is_name(&param, name)) {
            *out = param;
            count++;
        }
    }
    return count == 1;
}

static bool is_boundary(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!is_token_char((unsigned char)text[i]) && !strchr("()+_,-./:=? ", text[i]))
            return false;
    return size && size <= BOUNDARY_MAX && text[size - 1] != ' ';
}

bool multipart_boundary(const char *type, size_t size, char out[BOUNDARY_MAX + 1])
{
    struct rest rest = { type, type + size };
    struct param param;
    if (!take(&rest, "multipart/form-data") || !only_param(&rest, "boundary", &param) ||
        !is_boundary(param.value, param.value_size))
        return false;
    memcpy(out, param.value, param.value_size);
    out[param.value_size] = 0;
    return true;
}

/* The head of a part: its one Content-Disposition names it. NULL: it is malformed. */
static const char *read_name(struct arena *arena, const char *head, const char *end)
{
    struct param name = { 0 };
    size_t named = 0;
    for (const char *line = head, *next; line < end; line = next) {
        next = memmem(line, (size_t)(end - line), "\r\n", 2);
        struct rest rest = { line, next };
        next += 2;
        const char *colon = memchr(line, ':', (size_t)(rest.end - line));
        if (!colon || !is_token(line, (size_t)(colon - line)) ||
            !is_field_value(colon + 1, (size_t)(rest.end - colon - 1)))
            return NULL;
        if (!take(&rest, "content-disposition:"))
            continue;
        skip_blanks(&rest);
        if (named++ || !take(&rest, "form-data") || !only_param(&rest, "name", &name))
            return NULL;
    }
    /* An escape is undone by some and not by others. */
    return named && !memchr(name.value, '\\', name.value_size) ? arena_memdup(arena, name.value, name.value_size)
                                                               : NULL;
}

static bool read_part(struct pairs *pairs, const char *begin, const char *end)
{
    if (!begin) /* never: the compiler of a sanitized build is told */
        return false;
    /* Without a header there is no name either. */
    const char *blank = memmem(begin, (size_t)(end - begin), "\r\n\r\n", 4);
    const char *name = blank ? read_name(pairs->arena, begin, blank + 2) : NULL;
    if (!name || pairs->count == PAIRS_MAX)
        return false;
    const char *value = blank + 4;
    *pairs_put(pairs) = (struct pair){ name, value, (size_t)(end - value), begin, (size_t)(end - begin) };
    return true;
}

/* Where the next line begins that begins with the delimiter, however the one before it ends. NULL: nowhere. */
static const char *find_delimiter(const struct pairs *pairs, const char *at, const char *end)
{
    while ((at = memmem(at, (size_t)(end - at), pairs->delimiter, pairs->delimiter_size))) {
        if (at[-1] == '\n' || at[-1] == '\r')
            return at;
        at++;
    }
    return NULL;
}

bool pairs_read_multipart(struct pairs *pairs, struct arena *arena, const char *boundary, const char *data, size_t size)
{
    const char *delimiter = arena_printf(arena, "--%s", boundary);
    *pairs = (struct pairs){ .arena = arena,
                             .kind = PAIRS_MULTIPART,
                             .delimiter = delimiter,
                             .delimiter_size = strlen(delimiter),
                             .tail = "--\r\n",
                             .tail_size = 4 };
    struct rest rest = { data, data + size };
    if (!size)
        return true;
    if (size < pairs->delimiter_size || memcmp(data, delimiter, pairs->delimiter_size) != 0)
        return false;
    rest.at += pairs->delimiter_size;
    while (take(&rest, "\r\n")) {
        const char *begin = rest.at, *next = find_delimiter(pairs, begin, rest.end);
        if (!next || next - begin < 2 || next[-1] != '\n' || next[-2] != '\r' || !read_part(pairs, begin, next - 2))
            return false;
        rest.at = next + pairs->delimiter_size;
    }
    pairs->tail = rest.at;
    pairs->tail_size = (size_t)(rest.end - rest.at);
    return take(&rest, "--") && !find_delimiter(pairs, rest.at, rest.end);
}

/* As browsers escape it. */
static void put_name(struct buf *out, const char *name)
{
    for (; *name; name++)
        if (*name == '"' || *name == '\r' || *name == '\n' || *name == '\\')
            buf_printf(out, "%%%02X", (unsigned char)*name);
        else
            buf_char(out, *name);
}

void pairs_write_multipart(const struct pairs *pairs, struct buf *out)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        buf_add(out, pairs->delimiter, pairs->delimiter_size);
        buf_text(out, "\r\n");
        if (pair->raw) {
            buf_add(out, pair->raw, pair->raw_size);
        } else {
            buf_text(out, "Content-Disposition: form-data; name=\"");
            put_name(out, pair->name);
            buf_text(out, "\"\r\n\r\n");
            buf_add(out, pair->value, pair->size);
        }
        buf_text(out, "\r\n");
    }
    buf_add(out, pairs->delimiter, pairs->delimiter_size);
    buf_add(out, pairs->tail, pairs->tail_size);
}
