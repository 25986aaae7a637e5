#include "config/kong.h"

#include "base/text.h"
#include "router.h"

#include <stdlib.h>
#include <string.h>

static struct kong_service *service_named(const struct config *config, const char *name)
{
    for (struct kong_service *service = config->services; service; service = service->next)
        if (text_equal(service->name, name))
            return service;
    return NULL;
}

static struct kong_route *route_named(const struct config *config, const char *name)
{
    for (struct kong_route *route = config->routes; route; route = route->next)
        if (text_equal(route->name, name))
            return route;
    return NULL;
}

static struct kong_upstream *upstream_named(const struct config *config, const char *name)
{
    for (struct kong_upstream *upstream = config->upstreams; upstream; upstream = upstream->next)
        if (text_equal(upstream->name, name))
            return upstream;
    return NULL;
}

static bool tagged(const struct texts *tags, const char *tag)
{
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->items[i], tag) == 0)
            return true;
    return false;
}

/* A service that names no upstream of the file gets one of its own, with its host and port as the only target. */
static struct kong_upstream *own_upstream(struct kong_reader *reader, const struct kong_service *service)
{
    struct arena *arena = reader->faults->arena;
    struct kong_target *target = arena_new(arena, struct kong_target);
    target->target = arena_printf(arena, "%s:%lld", service->host, (long long)service->port);
    target->weight = 100;
    struct kong_upstream *upstream = arena_new(arena, struct kong_upstream);
    upstream->name = target->target;
    upstream->passive = (struct kong_health){ .tcp_failures = 3, .timeouts = 3, .successes = 1 };
    upstream->targets = target;
    *reader->last_upstream = upstream;
    reader->last_upstream = &upstream->next;
    return upstream;
}

static void link_services(struct kong_reader *reader)
{
    for (struct kong_service *service = reader->config->services; service; service = service->next) {
        if (service_named(reader->config, service->name) != service)
            fault(reader->faults, service->line, "services.name", "\"%s\" is another service's too", service->name);
        if (!service->host)
            continue;
        service->upstream = upstream_named(reader->config, service->host);
        if (!service->upstream)
            service->upstream = own_upstream(reader, service);
        service->upstream->tonearm |= tagged(&service->tags, "tonearm") || tagged(&service->upstream->tags, "tonearm");
    }
}

static void link_upstreams(struct kong_reader *reader)
{
    for (struct kong_upstream *upstream = reader->config->upstreams; upstream; upstream = upstream->next)
        if (upstream_named(reader->config, upstream->name) != upstream)
            fault(reader->faults, upstream->line, "upstreams.name", "\"%s\" is another upstream's too", upstream->name);
}

unsigned method_bit(const char *name, size_t size)
{
    static const struct {
        const char *name;
        unsigned bit;
    } bits[] = {
        { "GET", METHOD_GET },     { "POST", METHOD_POST },     { "PUT", METHOD_PUT },         { "HEAD", METHOD_HEAD },
        { "PATCH", METHOD_PATCH }, { "DELETE", METHOD_DELETE }, { "OPTIONS", METHOD_OPTIONS },
    };
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (strlen(bits[i].name) == size && memcmp(bits[i].name, name, size) == 0)
            return bits[i].bit;
    return METHOD_OTHER;
}

static void link_route(struct kong_reader *reader, struct kong_route *route)
{
    route->methods = route->method_names.count ? 0 : METHOD_ALL;
    for (size_t i = 0; i < route->method_names.count; i++)
        route->methods |= method_bit(route->method_names.items[i], strlen(route->method_names.items[i]));
    /* Whoever serves GET serves HEAD. */
    if (route->methods & METHOD_GET)
        route->methods |= METHOD_HEAD;
    for (size_t i = 0; i < route->protocols.count; i++)
        *(strcmp(route->protocols.items[i], "https") == 0 ? &route->tls : &route->plain) = true;
    if (!route->protocols.count)
        route->plain = route->tls = true;
    if (!route->service_name)
        return;
    route->service = service_named(reader->config, route->service_name);
    if (!route->service)
        fault(reader->faults, route->line, "routes.service", "\"%s\" is no service of this file", route->service_name);
}

static bool clash(const struct kong_route *a, const struct kong_route *b)
{
    bool methods = (a->methods == METHOD_ALL) == (b->methods == METHOD_ALL) &&
                   a->methods & b->methods & ~(unsigned)METHOD_HEAD;
    return methods && ((a->plain && b->plain) || (a->tls && b->tls));
}

static const char *shared_path(const struct kong_route *a, const struct kong_route *b)
{
    for (size_t i = 0; i < a->paths.count; i++)
        for (size_t j = 0; j < b->paths.count; j++)
            if (strcmp(a->paths.items[i], b->paths.items[j]) == 0)
                return a->paths.items[i];
    return NULL;
}

static void check_clashes(struct kong_reader *reader, const struct kong_route *route)
{
    for (const struct kong_route *other = reader->config->routes; other != route; other = other->next) {
        const char *path = clash(route, other) ? shared_path(route, other) : NULL;
        if (path)
            fault(reader->faults, route->line, "routes.paths",
                  "\"%s\" is also a path of route \"%s\" (line %d) with the same methods", path, other->name,
                  other->line);
    }
}

static void link_routes(struct kong_reader *reader)
{
    for (struct kong_route *route = reader->config->routes; route; route = route->next) {
        if (route_named(reader->config, route->name) != route)
            fault(reader->faults, route->line, "routes.name", "\"%s\" is another route's too", route->name);
        link_route(reader, route);
        check_clashes(reader, route);
    }
}

static void link_plugin(struct kong_reader *reader, const struct kong_plugin *row)
{
    const struct config *config = reader->config;
    if (row->service_name && !service_named(config, row->service_name))
        fault(reader->faults, row->line, "plugins.service", "\"%s\" is no service of this file", row->service_name);
    if (row->route_name && !route_named(config, row->route_name))
        fault(reader->faults, row->line, "plugins.route", "\"%s\" is no route of this file", row->route_name);
    for (const struct kong_plugin *other = config->plugins; other != row; other = other->next)
        if (other->plugin == row->plugin && text_equal(other->service_name, row->service_name) &&
            text_equal(other->route_name, row->route_name))
            fault(reader->faults, row->line, "plugins.name", "%s stands here a second time (first on line %d)",
                  row->plugin->name, other->line);
}

/* How closely a row is meant for this route; -1: not at all. As in Kong the closest wins. */
static int closeness(const struct kong_plugin *row, const struct kong_route *route)
{
    if (!row->enabled || (row->route_name && strcmp(row->route_name, route->name) != 0) ||
        (row->service_name && !text_equal(row->service_name, route->service_name)))
        return -1;
    return (row->route_name ? 2 : 0) + (row->service_name ? 1 : 0);
}

static const struct kong_plugin *closest(const struct config *config, const struct plugin *plugin,
                                         const struct kong_route *route)
{
    const struct kong_plugin *best = NULL;
    for (const struct kong_plugin *row = config->plugins; row; row = row->next)
        if (row->plugin == plugin && closeness(row, route) >= 0 &&
            (!best || closeness(row, route) > closeness(best, route)))
            best = row;
    return best;
}

static void make_chain(struct kong_reader *reader, struct kong_route *route)
{
    size_t count = 0;
    while (plugins[count])
        count++;
    route->chain = arena_array(reader->faults->arena, const struct kong_plugin *, count + 1);
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const struct kong_plugin *row = closest(reader->config, plugins[i], route);
        if (row)
            route->chain[length++] = row;
    }
}

static void check_consumers(struct kong_reader *reader)
{
    for (const struct kong_consumer *consumer = reader->config->consumers; consumer; consumer = consumer->next)
        for (const struct kong_consumer *other = reader->config->consumers; other != consumer; other = other->next)
            if (consumer->username && text_equal(consumer->username, other->username))
                fault(reader->faults, consumer->line, "consumers.username", "\"%s\" is another consumer's too",
                      consumer->username);
}

static int compare_keys(const void *a, const void *b)
{
    const struct kong_key *one = *(const struct kong_key *const *)a, *other = *(const struct kong_key *const *)b;
    int order = strcmp(one->key, other->key);
    return order ? order : one->line - other->line;
}

static void sort_keys(struct kong_reader *reader)
{
    struct config *config = reader->config;
    for (const struct kong_key *key = config->keys; key; key = key->next)
        config->key_count++;
    config->sorted_keys = arena_array(reader->faults->arena, const struct kong_key *, config->key_count + 1);
    size_t count = 0;
    for (const struct kong_key *key = config->keys; key; key = key->next)
        config->sorted_keys[count++] = key;
    qsort(config->sorted_keys, count, sizeof *config->sorted_keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (strcmp(config->sorted_keys[i]->key, config->sorted_keys[i - 1]->key) == 0)
            fault(reader->faults, config->sorted_keys[i]->line, "consumers.keyauth_credentials.key",
                  "stands on line %d too", config->sorted_keys[i - 1]->line);
}

void kong_link(struct kong_reader *reader)
{
    sort_keys(reader);
    link_upstreams(reader);
    link_services(reader);
    link_routes(reader);
    for (const struct kong_plugin *row = reader->config->plugins; row; row = row->next)
        link_plugin(reader, row);
    check_consumers(reader);
    if (reader->faults->count)
        return;
    for (struct kong_route *route = reader->config->routes; route; route = route->next)
        make_chain(reader, route);
    reader->config->router = router_create(&reader->config->arena, reader->config->routes);
}
