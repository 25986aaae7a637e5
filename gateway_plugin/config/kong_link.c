#include "config/kong.h"

#include "base/text.h"
#include "router/router.h"

#include <string.h>

struct kong_service *service_named(const struct config *config, const char *name)
{
    return name_table_get(&config->service_names, name);
}

struct kong_route *route_named(const struct config *config, const char *name)
{
    return name_table_get(&config->route_names, name);
}

/* By its name, and by the id that the file gives. */
static void put_names(struct kong_reader *reader, struct name_table *table, const char *kind, const char *name,
                      const char *id, void *what, int line)
{
    struct faults *faults = reader->faults;
    const void *other = name_table_put(table, faults->arena, name, what);
    if (other)
        fault(faults, line, arena_printf(faults->arena, "%ss.name", kind), "\"%s\" is another %s's too", name, kind);
    other = id ? name_table_put(table, faults->arena, id, what) : NULL;
    if (other && other != what)
        fault(faults, line, arena_printf(faults->arena, "%ss.id", kind), "\"%s\" is another %s's too", id, kind);
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
    struct kong_upstream *upstream = kong_upstream_new(
        reader, arena_printf(arena, "%s:%lld", service->host, (long long)service->port));
    *reader->last_upstream = upstream;
    reader->last_upstream = &upstream->next;
    return upstream;
}

static void link_services(struct kong_reader *reader)
{
    struct config *config = reader->config;
    for (struct kong_service *service = config->services; service; service = service->next) {
        put_names(reader, &config->service_names, "service", service->name, service->id, service, service->line);
        if (service->subject)
            kong_nats_link(reader, service);
        if (!service->host)
            continue;
        service->upstream = name_table_get(&config->upstream_names, service->host);
        if (!service->upstream)
            service->upstream = own_upstream(reader, service);
        service->upstream->tonearm |= tagged(&service->tags, "tonearm") || tagged(&service->upstream->tags, "tonearm");
    }
}

static void link_upstreams(struct kong_reader *reader)
{
    for (struct kong_upstream *upstream = reader->config->upstreams; upstream; upstream = upstream->next)
        put_names(reader, &reader->config->upstream_names, "upstream", upstream->name, NULL, upstream, upstream->line);
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
    if (!route->service_name)
        return;
    route->service = service_named(reader->config, route->service_name);
    if (route->service)
        route->service_name = route->service->name; /* it may have been its id */
    else
        fault(reader->faults, route->line, "routes.service", "\"%s\" is no service of this file", route->service_name);
}

static void on_clash(void *self, const struct kong_route *first, const struct kong_route *second, const char *path)
{
    struct kong_reader *reader = self;
    if (path)
        fault(reader->faults, second->line, "routes.paths",
              "\"%s\" is also a path of route \"%s\" (line %d), which takes the same requests", path, first->name,
              first->line);
    else
        fault(reader->faults, second->line, "routes", "route \"%s\" (line %d) takes the same requests", first->name,
              first->line);
}

static void link_routes(struct kong_reader *reader)
{
    for (struct kong_route *route = reader->config->routes; route; route = route->next) {
        put_names(reader, &reader->config->route_names, "route", route->name, route->id, route, route->line);
        link_route(reader, route);
        kong_nats_link_route(reader, route);
    }
}

void kong_link(struct kong_reader *reader)
{
    kong_link_certificates(reader);
    kong_link_consumers(reader);
    link_upstreams(reader);
    link_services(reader);
    kong_tls_check(reader);
    link_routes(reader);
    kong_link_plugins(reader);
    reader->config->router = router_create(&reader->config->arena, reader->config->routes, on_clash, reader);
    if (reader->faults->count)
        return;
    kong_ids(reader->config);
    kong_tls_link(reader);
    kong_make_chains(reader);
}
