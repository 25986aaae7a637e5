#pragma once
/*
 * From a request to its route, in Kong's order (its `traditional_compatible`
 * router): who asks for more of hosts, headers, methods, paths and server names
 * comes first; then whole hosts, more headers, regular expressions by their
 * priority, the longest path, and the place in the file. Unlike Kong's, a path
 * matches whole segments: `/auth` matches `/auth` and `/auth/x`, not `/author`;
 * one that ends with a slash matches what is below it. The cost depends on the
 * request's segments and on how many routes share a host and a path (of a regular
 * expression: the segments before its first operator), not on the number of
 * routes.
 */
#include "config/config.h"

struct router;

/* What a route is chosen by. */
struct asked {
    unsigned method; /* of enum method_bit */
    const char *method_name;
    size_t method_size;
    bool tls;
    const char *path; /* normalised (paths.h), without the query */
    size_t size;
    const char *authority; /* "": there is none */
    size_t authority_size;
    const char *server_name; /* of TLS, in lower case; NULL: none was given */
    bool by_proxy;           /* TLS ended before the edge: nobody knows its server name */
    /* Is there a header of this name (in lower case) whose value `test` takes? */
    bool (*any_header)(const void *self, const char *name,
                       bool (*test)(const void *arg, const char *value, size_t size), const void *arg);
    const void *self;
};

struct match {
    struct kong_route *route;
    size_t prefix;                 /* bytes of the path that the route's path matched, without a last slash */
    const struct pattern *pattern; /* NULL: no captures */
    struct captures captures;
};

enum route_answer {
    ROUTE_NONE,
    ROUTE_FOUND,
    ROUTE_WANTS_TLS, /* it is open to TLS only, and this came without */
    ROUTE_UNDECIDED, /* a regular expression was given up on this path: no other route may have it instead */
};

/* Called on each two routes that take the same requests with nothing to tell which comes first; `second` is the later
 * one in the file, `path` one of both, or NULL. */
typedef void router_clash_fn(void *self, const struct kong_route *first, const struct kong_route *second,
                             const char *path);

/* `told` may be NULL. */
struct router *router_create(struct arena *arena, struct kong_route *routes, router_clash_fn *told, void *self);
/* `*match` is whole for ROUTE_FOUND; its route is there for ROUTE_WANTS_TLS too. */
enum route_answer router_match(const struct router *router, const struct asked *asked, struct match *match);
