#include "http/server_parts.h"

#include "base/catalogue.h"

#include <string.h>

enum method method_of(const char *text, size_t size)
{
    for (enum method method = GET; method <= OPTIONS; method++)
        if (strlen(method_name(method)) == size && memcmp(method_name(method), text, size) == 0)
            return method;
    return 0;
}

const char *allow_text(struct arena *arena, unsigned allowed)
{
    struct buf out = BUF(arena);
    for (enum method method = GET; method <= OPTIONS; method++) {
        if (!(allowed & 1u << method))
            continue;
        buf_text(&out, out.size ? ", " : "");
        buf_text(&out, method_name(method));
    }
    return out.data;
}

const char *unrouted_text(unsigned allowed)
{
    return allowed ? MESSAGE("this method is not for this path") : MESSAGE("there is nothing at this path");
}

static size_t count_routes(const struct route *routes)
{
    size_t count = 0;
    while (routes[count].path)
        count++;
    return count;
}

/* The index of a cache name, CACHES_MAX where there are too many. */
static size_t cache_index(struct server *server, const char *name)
{
    size_t i = 0;
    while (i < server->cache_count && strcmp(server->cache_names[i], name) != 0)
        i++;
    if (i == server->cache_count && i < CACHES_MAX)
        server->cache_names[server->cache_count++] = name;
    return i;
}

static bool check_route(struct ctx *ctx, const struct server *server, const struct route *route)
{
    const struct server_options *options = &server->options;
    if (route->body_max > options->body_max)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s takes larger bodies than the server", route->path);
    if (route->body_to_file && !options->spool_dir)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s wants files, and there is no folder for them", route->path);
    if (route->access != PUBLIC && !options->authority)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s wants an authority", route->path);
    if ((route->role || route->permission) && route->access != SIGNED_IN)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s names a role and lets in who is not signed in", route->path);
    if (route->role && route->permission)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s names a role and a permission: which of them?", route->path);
    if (route->cache && route->access == SIGNED_IN)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s would keep answers that are one person's", route->path);
    return true;
}

static bool add_route(struct ctx *ctx, struct server *server, const struct route *route, const void *service)
{
    struct row *row = &server->rows[server->route_count];
    *row =
        (struct row){ .service = service, .cache = -1, .body_max = route->body_max ? route->body_max : BODY_DEFAULT };
    if (!check_route(ctx, server, route))
        return false;
    if (route->cache) {
        size_t cache = cache_index(server, route->cache);
        if (cache == CACHES_MAX)
            return ctx_fail(ctx, ERROR_INTERNAL, "more than %d caches", CACHES_MAX);
        row->cache = (int)cache;
    }
    server->routes[server->route_count++] = *route;
    return true;
}

bool routes_gather(struct ctx *ctx, struct server *server)
{
    size_t count = count_routes(status_routes);
    for (const struct mount *mount = server->options.mounts; mount && mount->routes; mount++)
        count += count_routes(mount->routes);
    server->routes = arena_array(&server->ctx.arena, struct route, count + 1);
    server->rows = arena_array(&server->ctx.arena, struct row, count + 1);
    for (const struct mount *mount = server->options.mounts; mount && mount->routes; mount++)
        for (const struct route *route = mount->routes; route->path; route++)
            if (!add_route(ctx, server, route, mount->service))
                return false;
    for (const struct route *route = status_routes; route->path; route++)
        if (!add_route(ctx, server, route, server))
            return false;
    server->rows[server->route_count] = (struct row){ .cache = -1, .body_max = BODY_DEFAULT };
    return true;
}
