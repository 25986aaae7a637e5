#include "http/target.h"

#include "base/percent.h"
#include "base/text.h"

#include <string.h>

/* NULL: a bad escape, a NUL or no UTF-8. */
static char *decode(struct arena *arena, const char *text, size_t size, bool plus_is_space)
{
    size_t length;
    char *out = percent_decode(arena, text, size, plus_is_space ? PERCENT_PLUS : 0, &length);
    return out && utf8_valid(out, length) ? out : NULL;
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
