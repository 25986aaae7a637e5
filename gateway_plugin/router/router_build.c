#include "router/router_parts.h"
#include "router/router_rank.h"

#include <string.h>
#include <strings.h>

/* How much of a path is sure to stand at a boundary of segments. */
static size_t key_size(const struct kong_path *way)
{
    size_t size = way ? way->size : 0;
    if (way && way->kind == ROUTE_PATTERN)
        while (size && way->text[size - 1] != '/')
            size--;
    return size;
}

static bool comes_before(const struct router_entry *a, const struct router_entry *b)
{
    return a->rank != b->rank ? a->rank > b->rank : a->order < b->order;
}

static void insert(struct router *router, struct arena *arena, const struct router_entry *from)
{
    const struct host_rule *host = from->whole;
    struct router_slot key = { .host = host ? host->text : "",
                               .host_size = host ? host->size : 0,
                               .path = from->way ? from->way->text : "",
                               .path_size = key_size(from->way) };
    uint64_t hash = router_hash(router_hash_start, key.path, key.path_size);
    key.hash = host ? router_hash_under(hash, router_hash(router_hash_start, key.host, key.host_size)) : hash;
    struct router_slot *slot = router_find(router, &key);
    struct router_entry *entry = arena_new(arena, struct router_entry);
    *entry = *from;
    if (!slot->first)
        *slot = key;
    struct router_entry **place = &slot->first;
    while (*place && comes_before(*place, entry))
        place = &(*place)->next;
    entry->next = *place;
    *place = entry;
    size_t bit = router_length_bit(key.path_size);
    router->lengths[bit / 64] |= 1ULL << (bit % 64);
    router->hosts |= host != NULL;
}

static void insert_way(struct router *router, struct arena *arena, struct kong_route *route,
                       const struct kong_path *way, size_t order)
{
    struct router_entry entry = { .route = route, .way = way, .rank = router_rank(route, way), .order = order };
    router->asks_host |= route->hosts.count != 0;
    bool others = !route->hosts.count;
    for (size_t i = 0; i < route->hosts.count; i++) {
        entry.whole = &route->host_rules[i];
        if (entry.whole->kind == HOST_WHOLE)
            insert(router, arena, &entry);
        else
            others = true;
    }
    entry.whole = NULL;
    if (others)
        insert(router, arena, &entry);
}

/* Routes that take the same requests */

static bool share(const struct texts *a, const struct texts *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (strcasecmp(a->items[i], b->items[j]) == 0)
                return true;
    return !a->count && !b->count;
}

static bool same_values(const struct kong_header *a, const struct kong_header *b)
{
    bool same = a->count == b->count && strcmp(a->name, b->name) == 0;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcasecmp(a->values[i].text, b->values[i].text) == 0;
    return same;
}

static bool same_headers(const struct kong_route *a, const struct kong_route *b)
{
    bool same = a->header_count == b->header_count;
    for (size_t i = 0; same && i < a->header_count; i++)
        same = same_values(&a->headers[i], &b->headers[i]);
    return same;
}

static bool share_methods(const struct kong_route *a, const struct kong_route *b)
{
    if (a->methods == METHOD_ALL || b->methods == METHOD_ALL)
        return a->methods == b->methods;
    return share(&a->method_names, &b->method_names);
}

/* NULL: any path. One that could not be read has no source. */
static bool same_path(const struct kong_path *a, const struct kong_path *b)
{
    if (!a || !b)
        return a == b;
    return a->kind == b->kind && a->source && b->source && strcmp(a->source, b->source) == 0;
}

static bool clash(const struct router_entry *one, const struct router_entry *other)
{
    const struct kong_route *a = one->route, *b = other->route;
    return a != b && one->rank == other->rank && same_path(one->way, other->way) && share(&a->hosts, &b->hosts) &&
           share_methods(a, b) && same_headers(a, b) && share(&a->snis, &b->snis) &&
           ((a->plain && b->plain) || (a->tls && b->tls));
}

static void find_clashes(const struct router *router, router_clash_fn *told, void *self)
{
    for (size_t i = 0; i <= router->mask; i++)
        for (const struct router_entry *one = router->slots[i].first; one; one = one->next)
            for (const struct router_entry *other = one->next; other && other->rank == one->rank; other = other->next)
                if (clash(one, other))
                    told(self, one->route, other->route, one->way ? one->way->source : NULL);
}

static size_t count_entries(const struct kong_route *routes)
{
    size_t count = 0;
    for (const struct kong_route *route = routes; route; route = route->next)
        count += (route->paths.count + 1) * (route->hosts.count + 1);
    return count;
}

static bool is_served(const struct kong_route *route)
{
    return !route->service || route->service->enabled;
}

struct router *router_create(struct arena *arena, struct kong_route *routes, router_clash_fn *told, void *self)
{
    struct router *router = arena_new(arena, struct router);
    size_t size = 8, order = 0;
    while (size < count_entries(routes) * 2)
        size *= 2;
    router->mask = size - 1;
    router->slots = arena_array(arena, struct router_slot, size);
    for (struct kong_route *route = routes; route; route = route->next, order++) {
        if (!is_served(route))
            continue;
        for (size_t i = 0; i < route->paths.count; i++)
            insert_way(router, arena, route, &route->ways[i], order);
        if (!route->paths.count)
            insert_way(router, arena, route, NULL, order);
    }
    if (told)
        find_clashes(router, told, self);
    return router;
}
