#include "router/router_rank.h"

enum {
    ATTRIBUTES_AT = 61,
    WHOLE_HOSTS_AT = 60,
    HEADERS_AT = 52,
    HEADERS_MAX_COUNTED = 255,
    REGEX_AT = 51,
    PRIORITY_AT = 19,
    LENGTH_MAX = (1 << 19) - 1,
};

static bool hosts_are_whole(const struct kong_route *route)
{
    for (size_t i = 0; i < route->hosts.count; i++)
        if (route->host_rules[i].kind != HOST_WHOLE)
            return false;
    return route->hosts.count;
}

static uint64_t attributes(const struct kong_route *route, const struct kong_path *way)
{
    return (uint64_t)(route->methods != METHOD_ALL) + !!route->hosts.count + !!route->header_count +
           !!route->snis.count + !!way;
}

/* From INT32_MIN on, as a number that is not negative. */
static uint64_t priority(const struct kong_route *route)
{
    return (uint64_t)(route->regex_priority - INT32_MIN);
}

uint64_t router_rank(const struct kong_route *route, const struct kong_path *way)
{
    bool regex = way && way->kind != ROUTE_PREFIX && !way->named;
    size_t length = way && !regex ? way->size : 0;
    size_t headers = route->header_count < HEADERS_MAX_COUNTED ? route->header_count : HEADERS_MAX_COUNTED;
    return attributes(route, way) << ATTRIBUTES_AT | (uint64_t)hosts_are_whole(route) << WHOLE_HOSTS_AT |
           (uint64_t)headers << HEADERS_AT | (uint64_t)regex << REGEX_AT |
           (regex ? priority(route) : 0) << PRIORITY_AT | (length < LENGTH_MAX ? length : LENGTH_MAX);
}
