#include "config/kong.h"

#include "base/text.h"
#include "head_check.h"

#include <string.h>

/* Calls `read` on each item of the list `name` of `map`, if it is there. */
typedef void read_item_fn(struct kong_reader *reader, const char *path, const struct node *node, void *parent);

static void read_list(struct kong_reader *reader, const char *path, const struct node *map, const char *name,
                      read_item_fn *read, void *parent)
{
    const struct node *list = node_get(map, name);
    if (!list || node_null(list))
        return;
    if (list->kind != NODE_LIST) {
        fault(reader->faults, list->line, field_path(reader->faults, path, name), "must be a list");
        return;
    }
    size_t i = 0;
    for (const struct node *item = list->first; item; item = item->next)
        read(reader, item_path(reader->faults, path, name, i++), item, parent);
}

/* A reference: a name, or a map with `name`. */
static const char *read_reference(struct kong_reader *reader, const char *path, const struct node *map,
                                  const char *name)
{
    const struct node *node = node_get(map, name);
    if (!node || node_null(node))
        return NULL;
    const struct node *inner = node->kind == NODE_MAP ? node_get(node, "name") : node;
    if (inner && inner->kind == NODE_SCALAR && *inner->text)
        return inner->text;
    fault(reader->faults, node->line, field_path(reader->faults, path, name), "must be a name");
    return NULL;
}

static void read_plugin_config(struct kong_reader *reader, const char *path, const struct node *node,
                               struct kong_plugin *row)
{
    static const struct node nothing = { .kind = NODE_MAP };
    const struct node *config = node_get(node, "config");
    const struct plugin *plugin = row->plugin;
    row->config = arena_alloc(reader->faults->arena, plugin->config_size ? plugin->config_size : 1);
    if (plugin->defaults)
        plugin->defaults(row->config);
    path = field_path(reader->faults, path, "config");
    if (config && !node_null(config))
        options_read(reader->faults, path, config, plugin->options, row->config);
    if (plugin->check)
        plugin->check(reader->faults, path, config ? config : &nothing, row->config);
}

static void read_plugin(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    const struct kong_plugin *within = parent; /* whose names are given by where it stands */
    struct kong_plugin *row = arena_new(reader->faults->arena, struct kong_plugin);
    row->line = node->line;
    row->enabled = true;
    options_read(reader->faults, path, node, plugin_options, row);
    const struct node *name = node_get(node, "name");
    if (!name)
        return;
    row->plugin = name->kind == NODE_SCALAR ? plugin_named(name->text) : NULL;
    if (!row->plugin) {
        fault(reader->faults, name->line, field_path(reader->faults, path, "name"),
              "\"%s\" is not a plugin that the edge has", name->kind == NODE_SCALAR ? name->text : "");
        return;
    }
    row->service_name = within ? within->service_name : read_reference(reader, path, node, "service");
    row->route_name = within ? within->route_name : read_reference(reader, path, node, "route");
    read_plugin_config(reader, path, node, row);
    *reader->last_plugin = row;
    reader->last_plugin = &row->next;
}

static void read_route(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    const struct kong_service *service = parent;
    struct kong_route *route = arena_new(reader->faults->arena, struct kong_route);
    route->line = node->line;
    route->strip_path = true;
    options_read(reader->faults, path, node, route_options, route);
    if (!route->name) /* Kong lets it have none */
        route->name = arena_printf(reader->faults->arena, "%s.%d", service ? service->name : "route", route->line);
    route->service_name = service ? service->name : read_reference(reader, path, node, "service");
    if (!route->service_name)
        fault(reader->faults, node->line, field_path(reader->faults, path, "service"), "is required");
    struct kong_plugin within = { .route_name = route->name };
    read_list(reader, path, node, "plugins", read_plugin, &within);
    *reader->last_route = route;
    reader->last_route = &route->next;
}

static void set_from_url(struct kong_reader *reader, const struct node *node, const char *path,
                         struct kong_service *service)
{
    struct faults *faults = reader->faults;
    const char *field = field_path(faults, path, "url"), *url = node->kind == NODE_SCALAR ? node->text : "";
    if (!text_starts(url, "http://")) {
        fault(faults, node->line, field, "must begin with http:// (other protocols are not supported)");
        return;
    }
    const char *host = url + strlen("http://"), *slash = strchr(host, '/');
    char *authority = arena_memdup(faults->arena, host, slash ? (size_t)(slash - host) : strlen(host));
    char *colon = strrchr(authority, ':');
    if (colon && !strchr(colon, ']')) {
        *colon = 0;
        if (!text_number(colon + 1, 65535, &service->port) || !service->port) {
            fault(faults, node->line, field, "its port is no number between 1 and 65535");
            return;
        }
    }
    service->host = authority;
    if (!*authority || !is_host(authority))
        fault(faults, node->line, field, "its host is no host name or address");
    if (slash && slash[1]) {
        service->path = slash;
        if (!is_route_path(slash))
            fault(faults, node->line, field, "its path is not in normal form");
    }
}

static void read_service(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct kong_service *service = arena_new(reader->faults->arena, struct kong_service);
    *service = (struct kong_service){ .port = 80,
                                      .retries = 5,
                                      .connect_timeout = 60000,
                                      .write_timeout = 60000,
                                      .read_timeout = 60000,
                                      .enabled = true,
                                      .line = node->line };
    options_read(reader->faults, path, node, service_options, service);
    const struct node *url = node_get(node, "url");
    if (url && (node_get(node, "host") || node_get(node, "port") || node_get(node, "path")))
        fault(reader->faults, url->line, field_path(reader->faults, path, "url"),
              "stands beside host, port or path: give one or the other");
    else if (url)
        set_from_url(reader, url, path, service);
    else if (!service->host)
        fault(reader->faults, node->line, field_path(reader->faults, path, "host"), "is required (or url)");
    if (!service->name) /* a fault already; what is below it is read all the same */
        service->name = arena_printf(reader->faults->arena, "line %d", node->line);
    struct kong_plugin within = { .service_name = service->name };
    read_list(reader, path, node, "plugins", read_plugin, &within);
    read_list(reader, path, node, "routes", read_route, service);
    *reader->last_service = service;
    reader->last_service = &service->next;
}

static bool is_target(const char *text)
{
    if (text_starts(text, "nats:"))
        return is_token(text + 5, strlen(text + 5)) && !strpbrk(text + 5, "*>.");
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || colon == text || !text_number(colon + 1, 65535, &port) || !port)
        return false;
    char host[256];
    size_t size = (size_t)(colon - text);
    if (size >= sizeof host)
        return false;
    memcpy(host, text, size);
    host[size] = 0;
    return is_host(host);
}

static void read_target(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_upstream *upstream = parent;
    struct kong_target *target = arena_new(reader->faults->arena, struct kong_target);
    target->weight = 100;
    target->line = node->line;
    options_read(reader->faults, path, node, target_options, target);
    if (target->target && !is_target(target->target))
        fault(reader->faults, node->line, field_path(reader->faults, path, "target"),
              "\"%s\" is neither HOST:PORT nor nats:NAME", target->target);
    if (!upstream) {
        target->upstream = read_reference(reader, path, node, "upstream");
        for (upstream = reader->config->upstreams; upstream && !text_equal(upstream->name, target->upstream);)
            upstream = upstream->next;
        if (!upstream) {
            fault(reader->faults, node->line, field_path(reader->faults, path, "upstream"),
                  "\"%s\" is no upstream of this file", target->upstream ? target->upstream : "");
            return;
        }
    }
    struct kong_target **last = &upstream->targets;
    while (*last)
        last = &(*last)->next;
    *last = target;
}

static void read_health(struct kong_reader *reader, const char *path, const struct node *node,
                        struct kong_health *health)
{
    struct faults *faults = reader->faults;
    path = field_path(faults, path, "healthchecks");
    options_read(faults, path, node, health_options, health);
    const struct node *passive = node_get(node, "passive");
    if (!passive)
        return;
    path = field_path(faults, path, "passive");
    options_read(faults, path, passive, passive_options, health);
    const struct node *healthy = node_get(passive, "healthy"), *unhealthy = node_get(passive, "unhealthy");
    if (healthy)
        options_read(faults, field_path(faults, path, "healthy"), healthy, healthy_options, health);
    if (unhealthy)
        options_read(faults, field_path(faults, path, "unhealthy"), unhealthy, unhealthy_options, health);
}

static void read_upstream(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct kong_upstream *upstream = arena_new(reader->faults->arena, struct kong_upstream);
    upstream->line = node->line;
    /* A member that cannot be connected to is left out for a while, whatever the file says: see balancer.h. */
    upstream->passive = (struct kong_health){ .tcp_failures = 3, .timeouts = 3, .successes = 1 };
    options_read(reader->faults, path, node, upstream_options, upstream);
    const struct node *health = node_get(node, "healthchecks");
    if (health)
        read_health(reader, path, health, &upstream->passive);
    if (!upstream->name)
        upstream->name = arena_printf(reader->faults->arena, "line %d", node->line);
    read_list(reader, path, node, "targets", read_target, upstream);
    *reader->last_upstream = upstream;
    reader->last_upstream = &upstream->next;
}

static void read_key(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_key *key = arena_new(reader->faults->arena, struct kong_key);
    key->consumer = parent;
    options_read(reader->faults, path, node, key_options, key);
    if (!key->key)
        return;
    key->line = node->line;
    key->next = reader->config->keys;
    reader->config->keys = key;
}

static void read_consumer(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct kong_consumer *consumer = arena_new(reader->faults->arena, struct kong_consumer);
    consumer->line = node->line;
    options_read(reader->faults, path, node, consumer_options, consumer);
    if (!consumer->username && !consumer->custom_id)
        fault(reader->faults, node->line, field_path(reader->faults, path, "username"), "is required (or custom_id)");
    read_list(reader, path, node, "keyauth_credentials", read_key, consumer);
    *reader->last_consumer = consumer;
    reader->last_consumer = &consumer->next;
}

void kong_read(struct kong_reader *reader, const struct node *root)
{
    options_read(reader->faults, "", root, root_options, reader->config);
    if (root->kind != NODE_MAP)
        return;
    read_list(reader, "", root, "upstreams", read_upstream, NULL);
    read_list(reader, "", root, "targets", read_target, NULL);
    read_list(reader, "", root, "services", read_service, NULL);
    read_list(reader, "", root, "routes", read_route, NULL);
    read_list(reader, "", root, "plugins", read_plugin, NULL);
    read_list(reader, "", root, "consumers", read_consumer, NULL);
}
