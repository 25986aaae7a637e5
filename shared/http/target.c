#include "http/target.h"

#include "base/text.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of the escape at `text` ("%41"), -1 for a bad one and for NUL. */
static int unescape(const char *text, size_t left)
{
    if (left < 3)
        return -1;
    int high = hex_digit(text[1]), low = hex_digit(text[2]);
    return high < 0 || low < 0 || (high | low) == 0 ? -1 : high << 4 | low;
}

/* NULL: a bad escape, a NUL or no UTF-8. */
static char *decode(struct arena *arena, const char *text, size_t size, bool plus_is_space)
{
    char *out = arena_alloc(arena, size + 1);
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            c = unescape(text + i, size - i);
            if (c < 0)
                return NULL;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[length++] = (char)c;
    }
    return utf8_valid(out, length) ? out : NULL;
}

static size_t count_pairs(const char *query, size_t size)
{
    size_t count = 1;
    for (size_t i = 0; i < size; i++)
        count += query[i] == '&';
    return count;
}

static bool parse_pair(struct arena *arena, const char *text, size_t size, struct pair *out)
{
    const char *equals = memchr(text, '=', size);
    size_t name_size = equals ? (size_t)(equals - text) : size;
    out->name = decode(arena, text, name_size, true);
    out->value = equals ? decode(arena, equals + 1, size - name_size - 1, true) : "";
    return out->name && out->value;
}

static bool parse_query(struct ctx *ctx, const char *query, size_t size, const struct pair **out)
{
    size_t room = count_pairs(query, size), count = 0;
    if (room > QUERY_MAX)
        return ctx_fail(ctx, ERROR_INVALID, "more than %d values in the query", QUERY_MAX);
    struct pair *pairs = arena_array(&ctx->arena, struct pair, room + 1);
    for (const char *at = query, *end = query + size; at < end;) {
        const char *ampersand = memchr(at, '&', (size_t)(end - at));
        const char *stop = ampersand ? ampersand : end;
        if (stop > at && !parse_pair(&ctx->arena, at, (size_t)(stop - at), &pairs[count++]))
            return ctx_fail(ctx, ERROR_INVALID, "the query is not well formed");
        at = stop + 1;
    }
    *out = pairs;
    return true;
}

bool target_parse(struct ctx *ctx, const char *target, size_t size, const char **path, const struct pair **query)
{
    const char *mark = memchr(target, '?', size);
    size_t path_size = mark ? (size_t)(mark - target) : size;
    *path = decode(&ctx->arena, target, path_size, false);
    if (!*path)
        return ctx_fail(ctx, ERROR_INVALID, "the path is not well formed");
    *query = NULL;
    return !mark || parse_query(ctx, mark + 1, size - path_size - 1, query);
}
