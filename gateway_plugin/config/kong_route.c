/* A route: what it asks of a request. */
#include "config/kong.h"
#include "config/kong_path.h"

#include "base/text.h"
#include "client/head_check.h"

#include <string.h>

static void read_paths(struct kong_reader *reader, const char *path, const struct node *node, struct kong_route *route)
{
    struct arena *arena = reader->faults->arena;
    struct config *config = reader->config;
    route->ways = arena_array(arena, struct kong_path, route->paths.count + 1);
    for (size_t i = 0; i < route->paths.count; i++) {
        const char *why, *text = route->paths.items[i];
        if (!kong_path_read(&config->patterns, arena, text, config->old_paths, &route->ways[i], &why))
            fault(reader->faults, node_get(node, "paths")->line, item_path(reader->faults, path, "paths", i),
                  "\"%s\" %s", text, why);
    }
}

static void read_hosts(struct kong_reader *reader, const char *path, const struct node *node, struct kong_route *route)
{
    struct arena *arena = reader->faults->arena;
    route->host_rules = arena_array(arena, struct host_rule, route->hosts.count + 1);
    for (size_t i = 0; i < route->hosts.count; i++)
        if (!host_rule_read(arena, route->hosts.items[i], &route->host_rules[i]))
            fault(reader->faults, node_get(node, "hosts")->line, item_path(reader->faults, path, "hosts", i),
                  "\"%s\" is no host: a name, with a star as its first or its last label or none, and a port or none",
                  route->hosts.items[i]);
}

static void read_header_value(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_header *header = parent;
    struct kong_header_value *value = &header->values[header->count++];
    const char *error;
    value->text = node->kind == NODE_SCALAR ? node->text : "";
    if (!*value->text)
        fault(reader->faults, node->line, path, "must be text");
    if (!text_starts(value->text, "~*"))
        return;
    value->pattern = pattern_create(&reader->config->patterns, reader->faults->arena, value->text + 2, PATTERN_CASELESS,
                                    &error);
    if (!value->pattern)
        fault(reader->faults, node->line, path, "\"%s\" is no regular expression: %s", value->text, error);
}

static void read_header(struct kong_reader *reader, const char *path, const struct node *map, const struct node *list,
                        struct kong_header *header)
{
    struct faults *faults = reader->faults;
    const char *field = field_path(faults, path, list->key);
    header->name = text_lower(faults->arena, list->key);
    if (!is_token(header->name, strlen(header->name)))
        fault(faults, list->line, field, "is no header name");
    if (strcmp(header->name, "host") == 0)
        fault(faults, list->line, field, "cannot stand here: give it as one of `hosts`");
    if (list->kind == NODE_LIST && !list->first)
        fault(faults, list->line, field, "must not be empty");
    header->values = arena_array(faults->arena, struct kong_header_value, list->count + 1);
    read_list(reader, path, map, list->key, read_header_value, header);
}

static void read_headers(struct kong_reader *reader, const char *path, const struct node *node,
                         struct kong_route *route)
{
    const struct node *map = node_get(node, "headers");
    if (!map || node_null(map))
        return;
    path = field_path(reader->faults, path, "headers");
    if (map->kind != NODE_MAP) {
        fault(reader->faults, map->line, path, "must be a map from names to lists of values");
        return;
    }
    route->headers = arena_array(reader->faults->arena, struct kong_header, map->count + 1);
    for (const struct node *list = map->first; list; list = list->next)
        read_header(reader, path, map, list, &route->headers[route->header_count++]);
}

static void read_server_names(struct kong_reader *reader, struct kong_route *route)
{
    for (size_t i = 0; i < route->snis.count; i++) {
        char *name = text_lower(reader->faults->arena, route->snis.items[i]);
        size_t size = strlen(name);
        if (size > 1 && name[size - 1] == '.')
            name[size - 1] = 0;
        route->snis.items[i] = name;
    }
}

static bool has_protocol(const struct kong_route *route, const char *protocol)
{
    for (size_t i = 0; i < route->protocols.count; i++)
        if (strcmp(route->protocols.items[i], protocol) == 0)
            return true;
    return false;
}

static void set_both_protocols(struct kong_reader *reader, struct kong_route *route)
{
    route->protocols = (struct texts){ arena_array(reader->faults->arena, const char *, 2), 2 };
    route->protocols.items[0] = "http";
    route->protocols.items[1] = "https";
}

/* As Kong asks for it. */
static void check_attributes(struct kong_reader *reader, const char *path, const struct node *node,
                             const struct kong_route *route)
{
    struct faults *faults = reader->faults;
    if (!route->paths.count && !route->hosts.count && !route->method_names.count && !route->header_count &&
        !(route->tls && route->snis.count))
        fault(faults, node->line, path, "must have at least one of: hosts, methods, paths, headers%s",
              route->tls ? ", snis" : "");
    if (route->snis.count && !route->tls)
        fault(faults, node_get(node, "snis")->line, field_path(faults, path, "snis"),
              "needs https among the protocols");
}

void read_route(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    const struct kong_service *service = parent;
    struct kong_route *route = arena_new(reader->faults->arena, struct kong_route);
    route->line = node->line;
    route->strip_path = true;
    options_read(reader->faults, path, node, route_options, route);
    if (!route->name) /* Kong lets it have none */
        route->name = arena_printf(reader->faults->arena, "%s.%d", service ? service->name : "route", route->line);
    if (!route->protocols.count)
        set_both_protocols(reader, route);
    route->plain = has_protocol(route, "http");
    route->tls = has_protocol(route, "https");
    read_paths(reader, path, node, route);
    read_hosts(reader, path, node, route);
    read_headers(reader, path, node, route);
    read_server_names(reader, route);
    check_attributes(reader, path, node, route);
    route->service_name = service ? service->name : read_reference(reader, path, node, "service");
    if (!route->service_name)
        fault(reader->faults, node->line, field_path(reader->faults, path, "service"), "is required");
    struct kong_plugin within = { .route_name = route->name };
    read_list(reader, path, node, "plugins", read_plugin, &within);
    *reader->last_route = route;
    reader->last_route = &route->next;
}
