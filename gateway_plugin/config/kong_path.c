#include "config/kong_path.h"

#include "base/buf.h"
#include "base/text.h"
#include "exchange/paths.h"

#include <ctype.h>
#include <string.h>

/* As requests' paths are when they are compared. */
static bool read_prefix(struct arena *arena, const char *text, struct kong_path *path, const char **why)
{
    struct path normal;
    size_t size = strlen(text);
    enum path_form form = path_look(text, size, &normal);
    *why = "is no path: it must begin with a slash and hold neither a query nor an escaped slash or dot";
    if (form == PATH_BAD || strchr(text, '?') ||
        (form == PATH_REWRITE && !path_rewrite(text, size, arena_alloc(arena, size * 3 + 2), &normal)))
        return false;
    path->kind = ROUTE_PREFIX;
    path->text = arena_memdup(arena, normal.text, normal.size);
    path->size = normal.size;
    return true;
}

static bool read_pattern(struct pattern **patterns, struct arena *arena, const char *text, struct kong_path *path,
                         const char **why)
{
    bool whole, ends;
    const char *error;
    *why = "is no regular expression of a path: it must begin with ~/";
    if (*text != '/')
        return false;
    path->kind = ROUTE_PATTERN;
    path->text = pattern_literal(arena, text, &whole, &ends);
    path->size = strlen(path->text);
    /* No expression is as fast as none. */
    if (whole && ends) {
        path->kind = ROUTE_WHOLE;
        return true;
    }
    path->pattern = pattern_create(patterns, arena, text, PATTERN_ANCHORED, &error);
    if (!path->pattern)
        *why = arena_printf(arena, "is no regular expression: %s", error);
    return path->pattern;
}

/* `{name}` at `text`, a whole segment; NULL: there is none. Gives what comes after it. */
static const char *parameter(const char *text, size_t *size)
{
    const char *end = text + 1;
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    *size = (size_t)(end - text) - 1;
    bool good = *size && *size <= 32 && !isdigit((unsigned char)text[1]) && *end == '}' && (end[1] == '/' || !end[1]);
    return good ? end + 1 : NULL;
}

/* `/tracks/{id}/url` as an expression: whole segments, as a prefix is. */
static bool read_named(struct pattern **patterns, struct arena *arena, const char *text, struct kong_path *path,
                       const char **why)
{
    struct buf out = BUF(arena);
    for (const char *at = text; *at;) {
        size_t size;
        const char *next = *at == '{' && at > text && at[-1] == '/' ? parameter(at, &size) : NULL;
        *why = "has a brace that is no {name} of a whole segment";
        if (!next && strchr("{}", *at))
            return false;
        if (next)
            buf_printf(&out, "(?<%.*s>[^/]+)", (int)size, at + 1);
        else
            buf_printf(&out, isalnum((unsigned char)*at) || *at == '/' ? "%c" : "\\%c", *at);
        at = next ? next : at + 1;
    }
    buf_text(&out, text_ends(text, "/") ? "" : "(?=/|$)");
    path->named = true;
    if (!read_pattern(patterns, arena, out.data, path, why))
        return false;
    path->size = (size_t)(strchr(text, '{') - text);
    path->text = arena_memdup(arena, text, path->size);
    struct path normal;
    *why = "is not in normal form";
    return path_look(path->text, path->size, &normal) == PATH_NORMAL;
}

/* Kong's rule before 3.0: what holds another character than these is an expression. */
static bool looks_like_pattern(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_~/%", *c))
            return true;
    return false;
}

bool kong_path_read(struct pattern **patterns, struct arena *arena, const char *text, bool old, struct kong_path *path,
                    const char **why)
{
    *path = (struct kong_path){ .source = text, .text = "" };
    if (old && looks_like_pattern(text))
        return read_pattern(patterns, arena, text, path, why);
    if (!old && *text == '~')
        return read_pattern(patterns, arena, text + 1, path, why);
    if (strchr(text, '{'))
        return read_named(patterns, arena, text, path, why);
    return read_prefix(arena, text, path, why);
}
