#include "http/route.h"

#include <string.h>

enum { PARAMS_MAX = 8 };

struct matched {
    const char *name, *value; /* in the route's path and in the request's */
    size_t name_size, value_size;
};

/*
 * Both paths segment by segment. Returns how many parameters it took, -1 for no
 * match. A parameter is one whole segment that is not empty.
 */
static int path_match(const char *pattern, const char *path, struct matched *params)
{
    int count = 0;
    for (;;) {
        if (*pattern == '{') {
            const char *close = strchr(pattern, '}');
            size_t size = strcspn(path, "/");
            if (!close || size == 0 || count == PARAMS_MAX)
                return -1;
            params[count++] = (struct matched){ pattern + 1, path, (size_t)(close - pattern - 1), size };
            pattern = close + 1;
            path += size;
        } else if (*pattern != *path) {
            return -1;
        } else if (*path == 0) {
            return count;
        } else {
            pattern++;
            path++;
        }
    }
}

static bool answers(const struct route *route, enum method method)
{
    return route->method == method || (method == HEAD && route->method == GET);
}

static unsigned method_bits(enum method method)
{
    return 1u << method | (method == GET ? 1u << HEAD : 0);
}

static const struct pair *params_keep(struct arena *arena, const struct matched *matched, int count)
{
    struct pair *out = arena_array(arena, struct pair, (size_t)count + 1);
    for (int i = 0; i < count; i++)
        out[i] = (struct pair){ arena_memdup(arena, matched[i].name, matched[i].name_size),
                                arena_memdup(arena, matched[i].value, matched[i].value_size) };
    return out;
}

/* The row with the fewest parameters wins ("/tracks/latest" before "/tracks/{id}"), HEAD's own row before GET's. */
static bool better(const struct route *best, int best_count, const struct route *route, int count, enum method method)
{
    if (!best || count < best_count)
        return true;
    return count == best_count && best->method != method && route->method == method;
}

const struct route *route_match(const struct route *routes, enum method method, const char *path, struct arena *arena,
                                const struct pair **params, unsigned *allowed)
{
    struct matched found[PARAMS_MAX], kept[PARAMS_MAX];
    const struct route *best = NULL;
    int best_count = 0;
    *allowed = 0;
    for (const struct route *route = routes; route->path; route++) {
        int count = path_match(route->path, path, found);
        if (count < 0)
            continue;
        *allowed |= method_bits(route->method);
        if (!answers(route, method) || !better(best, best_count, route, count, method))
            continue;
        best = route;
        best_count = count;
        memcpy(kept, found, sizeof kept);
    }
    if (best)
        *params = params_keep(arena, kept, best_count);
    return best;
}
