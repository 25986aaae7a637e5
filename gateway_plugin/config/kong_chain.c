/* Which instance of a plugin runs: Kong's precedence. */
#include "config/kong.h"

#include "base/text.h"

#include <stdlib.h>

/* Once for each service, route and consumer. */
static void check_single(struct kong_reader *reader, struct name_table *table, struct kong_plugin *row)
{
    struct arena *arena = reader->faults->arena;
    const char *none = "";
    const char *key = arena_printf(
        arena, "%s\n%s\n%s\n%s", row->plugin->name, row->service_name ? row->service_name : none,
        row->route_name ? row->route_name : none, row->consumer_name ? row->consumer_name : none);
    const struct kong_plugin *other = name_table_put(table, arena, key, row);
    if (other)
        fault(reader->faults, row->line, "plugins.name", "%s stands here a second time (first on line %d)",
              row->plugin->name, other->line);
}

/* A route is asked about its own, its service's and those of all: a large file has many of others. */
static void put_near(struct kong_plugin *row, struct kong_plugin **list)
{
    row->near = *list;
    *list = row;
}

static void link_plugin(struct kong_reader *reader, struct kong_plugin *row)
{
    struct config *config = reader->config;
    struct kong_service *service = row->service_name ? service_named(config, row->service_name) : NULL;
    struct kong_route *route = row->route_name ? route_named(config, row->route_name) : NULL;
    row->service = service;
    row->route = route;
    row->consumer = row->consumer_name ? config_consumer(config, row->consumer_name) : NULL;
    if (row->service_name && !row->service)
        fault(reader->faults, row->line, "plugins.service", "\"%s\" is no service of this file", row->service_name);
    if (row->route_name && !row->route)
        fault(reader->faults, row->line, "plugins.route", "\"%s\" is no route of this file", row->route_name);
    if (row->consumer_name && !row->consumer)
        fault(reader->faults, row->line, "plugins.consumer", "\"%s\" is no consumer of this file", row->consumer_name);
    /* What is named by its id has a name from here on. */
    row->service_name = row->service ? row->service->name : row->service_name;
    row->route_name = row->route ? row->route->name : row->route_name;
    if (row->consumer)
        row->consumer_name = row->consumer->username ? row->consumer->username : row->consumer->custom_id;
    if (row->consumer && row->enabled)
        row->consumer->plugin_count++;
    else if (row->enabled)
        put_near(row, route ? &route->plugins : service ? &service->plugins : &config->plugins_of_all);
}

static int compare_order(const void *a, const void *b)
{
    const struct kong_plugin *one = *(const struct kong_plugin *const *)a,
                             *other = *(const struct kong_plugin *const *)b;
    return one->order != other->order ? (one->order > other->order) - (one->order < other->order)
                                      : one->line - other->line;
}

/* Each consumer has its own at hand: a request looks at no one else's. */
static void sort_consumers_plugins(struct kong_reader *reader)
{
    struct config *config = reader->config;
    for (struct kong_consumer *consumer = config->consumers; consumer; consumer = consumer->next) {
        consumer->plugins = arena_array(reader->faults->arena, const struct kong_plugin *, consumer->plugin_count + 1);
        consumer->plugin_count = 0;
    }
    for (const struct kong_plugin *row = config->plugins; row; row = row->next)
        if (row->consumer && row->enabled)
            row->consumer->plugins[row->consumer->plugin_count++] = row;
    for (struct kong_consumer *consumer = config->consumers; consumer; consumer = consumer->next)
        qsort(consumer->plugins, consumer->plugin_count, sizeof *consumer->plugins, compare_order);
}

void kong_link_plugins(struct kong_reader *reader)
{
    struct name_table seen = { 0 };
    for (struct kong_plugin *row = reader->config->plugins; row; row = row->next) {
        link_plugin(reader, row);
        check_single(reader, &seen, row);
        if (row->plugin->link)
            row->plugin->link(reader->faults, reader->config, row);
    }
    if (!reader->faults->count)
        sort_consumers_plugins(reader);
}

/* Where a row stands among those that fit: the higher wins. 0: it is for all. */
static int rank(const struct kong_plugin *row)
{
    enum { SERVICE = 1, ROUTE = 2, CONSUMER = 4 };
    static const int ranks[] = {
        [SERVICE] = 1,
        [ROUTE] = 2,
        [CONSUMER] = 3,
        [ROUTE | SERVICE] = 4,
        [CONSUMER | SERVICE] = 5,
        [CONSUMER | ROUTE] = 6,
        [CONSUMER | ROUTE | SERVICE] = 7,
    };
    return ranks[(row->consumer ? CONSUMER : 0) | (row->route ? ROUTE : 0) | (row->service ? SERVICE : 0)];
}

static const struct kong_plugin *better(const struct kong_plugin *best, const struct kong_plugin *row,
                                        const struct kong_route *route)
{
    if ((row->route && row->route != route) || (row->service && row->service != route->service))
        return best;
    return best && rank(best) >= rank(row) ? best : row;
}

/* At most one fits of each owner: which comes first among them does not matter. */
static const struct kong_plugin *closest(const struct config *config, size_t order, const struct kong_route *route)
{
    const struct kong_plugin *const lists[] = { route->plugins, route->service->plugins, config->plugins_of_all };
    const struct kong_plugin *best = NULL;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct kong_plugin *row = lists[i]; row; row = row->near)
            if (row->order == order)
                best = better(best, row, route);
    return best;
}

static void prepare(struct kong_reader *reader)
{
    for (const struct kong_plugin *row = reader->config->plugins; row; row = row->next)
        if (row->plugin->prepare)
            row->plugin->prepare(reader->faults->arena, row, row->config);
}

/* What a consumer has of his own takes the place of what is for all: he may have more. */
static uint64_t most_of_consumers(const struct config *config, const struct kong_route *route, size_t order,
                                  uint64_t most)
{
    for (const struct kong_plugin *row = config->plugins; row; row = row->next) {
        if (row->order != order || !row->consumer || !row->enabled || better(NULL, row, route) != row)
            continue;
        uint64_t own = row->plugin->body_most(row->config);
        if (own > most)
            most = own;
    }
    return most;
}

uint64_t config_body_most(const struct config *config, const struct kong_route *route)
{
    uint64_t least = UINT64_MAX;
    bool identifies = false;
    for (const struct kong_plugin *const *row = route->chain; *row; row++)
        identifies |= (*row)->plugin->identifies;
    for (const struct kong_plugin *const *row = route->chain; *row; row++) {
        if (!(*row)->plugin->body_most)
            continue;
        uint64_t most = (*row)->plugin->body_most((*row)->config);
        if (identifies)
            most = most_of_consumers(config, route, (*row)->order, most);
        if (most < least)
            least = most;
    }
    return least;
}

static void find_least_body(struct config *config)
{
    config->least_body = UINT64_MAX;
    for (const struct kong_plugin *row = config->plugins; row; row = row->next) {
        uint64_t most = row->enabled && row->plugin->body_most ? row->plugin->body_most(row->config) : UINT64_MAX;
        if (most < config->least_body)
            config->least_body = most;
    }
}

void kong_make_chains(struct kong_reader *reader)
{
    size_t count = 0;
    prepare(reader);
    find_least_body(reader->config);
    while (plugins[count])
        count++;
    for (struct kong_route *route = reader->config->routes; route; route = route->next) {
        route->chain = arena_array(reader->faults->arena, const struct kong_plugin *, count + 1);
        for (size_t i = 0; i < count; i++) {
            const struct kong_plugin *row = closest(reader->config, i, route);
            if (row)
                route->chain[route->chain_length++] = row;
        }
    }
}

size_t config_chain(const struct kong_route *route, const struct kong_consumer *consumer, size_t after,
                    const struct kong_plugin **out)
{
    const struct kong_plugin *const *base = route->chain, *const *own = consumer ? consumer->plugins : NULL,
                                    *const *end = own ? own + consumer->plugin_count : NULL;
    size_t length = 0;
    while (*base || own != end) {
        size_t order = !*base || (own != end && (*own)->order < (*base)->order) ? (*own)->order : (*base)->order;
        const struct kong_plugin *best = NULL;
        if (*base && (*base)->order == order)
            best = *base++;
        for (; own != end && (*own)->order == order; own++)
            best = better(best, *own, route);
        if (best && order > after)
            out[length++] = best;
    }
    out[length] = NULL;
    return length;
}
