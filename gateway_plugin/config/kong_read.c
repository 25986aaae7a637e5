#include "config/kong.h"

#include "base/text.h"
#include "client/head_check.h"

#include <string.h>

void read_list(struct kong_reader *reader, const char *path, const struct node *map, const char *name,
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

const char *read_reference_by(struct kong_reader *reader, const char *path, const struct node *map, const char *name,
                              const char *key)
{
    const struct node *node = node_get(map, name);
    if (!node || node_null(node))
        return NULL;
    const struct node *inner = node->kind == NODE_MAP ? node_get(node, key) : node;
    if (node->kind == NODE_MAP && (!inner || node_null(inner)))
        inner = node_get(node, "id");
    if (inner && inner->kind == NODE_SCALAR && *inner->text)
        return inner->text;
    fault(reader->faults, node->line, field_path(reader->faults, path, name), "must be a name or an id");
    return NULL;
}

const char *read_reference(struct kong_reader *reader, const char *path, const struct node *map, const char *name)
{
    return read_reference_by(reader, path, map, name, "name");
}

static void read_plugin_config(struct kong_reader *reader, const char *path, const struct node *node,
                               struct kong_plugin *row)
{
    const struct node nothing = { .kind = NODE_MAP, .line = node->line };
    const struct node *config = node_get(node, "config");
    if (!config || node_null(config))
        config = &nothing; /* what is required is missed in it too */
    const struct plugin *plugin = row->plugin;
    row->config = arena_alloc(reader->faults->arena, plugin->config_size ? plugin->config_size : 1);
    if (plugin->defaults)
        plugin->defaults(row->config);
    path = field_path(reader->faults, path, "config");
    options_read(reader->faults, path, config, plugin->options, row->config);
    if (plugin->check)
        plugin->check(reader->faults, path, config, row->config);
}

/* What a plugin is for: by where it stands, or by name. */
static const char *read_owner(struct kong_reader *reader, const char *path, const struct node *node, const char *name,
                              const char *key, const char *within)
{
    const char *named = read_reference_by(reader, path, node, name, key);
    if (within && named && strcmp(named, within) != 0)
        fault(reader->faults, node->line, field_path(reader->faults, path, name),
              "names another than \"%s\", below which it stands", within);
    return within ? within : named;
}

static void read_owners(struct kong_reader *reader, const char *path, const struct node *node,
                        const struct kong_plugin *within, struct kong_plugin *row)
{
    static const struct kong_plugin nowhere;
    within = within ? within : &nowhere;
    row->service_name = read_owner(reader, path, node, "service", "name", within->service_name);
    row->route_name = read_owner(reader, path, node, "route", "name", within->route_name);
    row->consumer_name = read_owner(reader, path, node, "consumer", "username", within->consumer_name);
    if (row->consumer_name && row->plugin->no_consumer)
        fault(reader->faults, row->line, field_path(reader->faults, path, "consumer"),
              "%s cannot be a consumer's: it runs before one is known", row->plugin->name);
}

static bool lists(const struct node *list, const char *text)
{
    for (const struct node *item = list->first; item; item = item->next)
        if (item->kind == NODE_SCALAR && strcmp(item->text, text) == 0)
            return true;
    return false;
}

/* A plugin runs for all requests of what it is for. */
static void check_protocols(struct kong_reader *reader, const char *path, const struct node *node)
{
    const struct node *list = node_get(node, "protocols");
    if (list && list->kind == NODE_LIST && !(lists(list, "http") && lists(list, "https")))
        fault(reader->faults, list->line, field_path(reader->faults, path, "protocols"),
              "must name both http and https: for one of them, give the plugin to a route of that protocol");
}

void read_plugin(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_plugin *row = arena_new(reader->faults->arena, struct kong_plugin);
    row->line = node->line;
    row->enabled = true;
    options_read(reader->faults, path, node, plugin_options, row);
    const struct node *name = node_get(node, "name");
    if (!name)
        return;
    row->plugin = name->kind == NODE_SCALAR ? plugin_named(name->text, &row->order) : NULL;
    if (!row->plugin) {
        fault(reader->faults, name->line, field_path(reader->faults, path, "name"),
              "\"%s\" is not a plugin that the edge has%s", name->kind == NODE_SCALAR ? name->text : "",
              name->kind == NODE_SCALAR ? kong_plugin_instead(reader->faults->arena, name->text) : "");
        return;
    }
    check_protocols(reader, path, node);
    read_owners(reader, path, node, parent, row);
    read_plugin_config(reader, path, node, row);
    *reader->last_plugin = row;
    reader->last_plugin = &row->next;
}

static void set_from_url(struct kong_reader *reader, const struct node *node, const char *path,
                         struct kong_service *service)
{
    struct faults *faults = reader->faults;
    const char *field = field_path(faults, path, "url"), *url = node->kind == NODE_SCALAR ? node->text : "";
    if (kong_nats_read(reader, node, field, service))
        return;
    service->https = text_starts(url, "https://");
    if (!service->https && !text_starts(url, "http://")) {
        fault(faults, node->line, field,
              "must begin with http://, https:// or nats:// (other protocols are not supported)");
        return;
    }
    service->port = service->https ? 443 : 80;
    const char *host = strstr(url, "://") + 3, *slash = strchr(host, '/');
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
        if (!is_plain_path(slash))
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
                                      .tls_verify_depth = -1,
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
    if (!service->name) /* Kong lets it have none */
        service->name = arena_printf(reader->faults->arena, "service.%d", node->line);
    struct kong_plugin within = { .service_name = service->name };
    read_list(reader, path, node, "plugins", read_plugin, &within);
    read_list(reader, path, node, "routes", read_route, service);
    *reader->last_service = service;
    reader->last_service = &service->next;
}

/* Before it is known what each entity says, how old its form is. */
static bool has_old_paths(const struct node *root)
{
    const struct node *version = node_get(root, "_format_version");
    return version && version->kind == NODE_SCALAR &&
           (text_starts(version->text, "1.") || text_starts(version->text, "2."));
}

void kong_read(struct kong_reader *reader, const struct node *root)
{
    options_read(reader->faults, "", root, root_options, reader->config);
    if (root->kind != NODE_MAP)
        return;
    const struct node *info = node_get(root, "_info");
    if (info && !node_null(info))
        options_read(reader->faults, "_info", info, info_options, reader->config);
    reader->config->old_paths = has_old_paths(root);
    kong_read_certificates(reader, root);
    read_list(reader, "", root, "upstreams", kong_read_upstream, NULL);
    read_list(reader, "", root, "targets", kong_read_target, NULL);
    read_list(reader, "", root, "ca_certificates", kong_read_ca, NULL);
    read_list(reader, "", root, "services", read_service, NULL);
    read_list(reader, "", root, "routes", read_route, NULL);
    read_list(reader, "", root, "plugins", read_plugin, NULL);
    kong_read_consumers(reader, root);
}
