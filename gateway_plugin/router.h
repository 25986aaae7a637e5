#pragma once
/*
 * From method and path to route. A path of a route matches whole segments:
 * `/auth` matches `/auth` and `/auth/x`, not `/author`; one that ends with a
 * slash matches what is below it. The longest path wins, then the route that
 * names methods. The cost depends on the request's segments, not on the
 * number of routes.
 */
#include "config/config.h"

struct router;

struct match {
    struct kong_route *route;
    size_t prefix; /* bytes of the path that the route's path matched, without a last slash */
};

struct router *router_create(struct arena *arena, struct kong_route *routes);
/* `path` is normalised (paths.h) and without the query. */
bool router_match(const struct router *router, unsigned method, bool tls, const char *path, size_t size,
                  struct match *match);
