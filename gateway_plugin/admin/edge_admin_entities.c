/*
 * Kong's lists (/services, /routes, ...), one of them by name or id, and what
 * belongs to it (/services/{x}/routes). A row of `kinds` describes each; its
 * fields come from the tables that its file is read by.
 */
#include "admin/edge_admin_parts.h"

#include "base/text.h"
#include "config/kong.h"
#include "config/options_json.h"
#include "subject/nats_subject.h"

enum { SIZE_DEFAULT = 100, SIZE_MAX_ = 1000 };

struct kind {
    const char *plural;
    size_t list, next, id, name, tags; /* offsets: the first in its owner; the others in a row */
    const struct option *options;
    void (*more)(json_t *out, const struct config *config, const void *row); /* what the table leaves to its owner */
    bool (*hidden)(const void *row);
};

static const void *pointer_at(const void *base, size_t offset)
{
    return *(const void *const *)((const char *)base + offset);
}

static json_t *reference(const char *id, const char *name)
{
    return json_pack("{s:s,s:s}", "id", id, "name", name);
}

/* What each kind adds */

/* What is asked over NATS has no host: its subject stands there. */
static void more_of_service(json_t *out, const struct config *config, const void *row)
{
    (void)config;
    const struct kong_service *service = row;
    if (!service->subject)
        return;
    json_object_set_new(out, "protocol", json_string("nats"));
    json_object_set_new(out, "host", json_string(nats_subject_text(service->subject)));
    json_object_set_new(out, "port", json_null());
}

static json_t *headers_json(const struct kong_route *route)
{
    json_t *out = route->header_count ? json_object() : json_null();
    for (size_t i = 0; i < route->header_count; i++) {
        json_t *values = json_array();
        for (size_t j = 0; j < route->headers[i].count; j++)
            json_array_append_new(values, json_text(route->headers[i].values[j].text));
        json_object_set_new(out, route->headers[i].name, values);
    }
    return out;
}

static void more_of_route(json_t *out, const struct config *config, const void *row)
{
    (void)config;
    const struct kong_service *service = ((const struct kong_route *)row)->service;
    json_object_set_new(out, "headers", headers_json(row));
    if (!((const struct kong_route *)row)->protocols.count)
        json_object_set_new(out, "protocols", json_pack("[s,s]", "http", "https"));
    json_object_set_new(out, "service", service ? reference(service->id, service->name) : json_null());
}

static void more_of_plugin(json_t *out, const struct config *config, const void *row)
{
    (void)config;
    const struct kong_plugin *plugin = row;
    const struct kong_service *service = plugin->service_name ? plugin->service : NULL;
    json_object_set_new(out, "name", json_string(plugin->plugin->name));
    json_object_set_new(out, "service", service ? reference(service->id, service->name) : json_null());
    json_object_set_new(out, "route", plugin->route ? reference(plugin->route->id, plugin->route->name) : json_null());
    json_object_set_new(out, "consumer",
                        plugin->consumer ? reference(plugin->consumer->id, plugin->consumer_name) : json_null());
    json_object_set_new(out, "config", options_json(plugin->plugin->options, plugin->config));
}

static void more_of_certificate(json_t *out, const struct config *config, const void *row)
{
    json_t *names = json_array();
    for (const struct kong_sni *sni = config->snis; sni; sni = sni->next)
        if (sni->certificate == row)
            json_array_append_new(names, json_text(sni->name));
    json_object_set_new(out, "snis", names);
}

static void more_of_sni(json_t *out, const struct config *config, const void *row)
{
    (void)config;
    json_object_set_new(out, "certificate", json_pack("{s:s}", "id", ((const struct kong_sni *)row)->certificate->id));
}

/* One made for a service that names no upstream of the file. */
static bool upstream_hidden(const void *row)
{
    return !((const struct kong_upstream *)row)->line;
}

#define KIND(plural_, type_, list_, name_, options_, ...)                                                              \
    {                                                                                                                  \
        .plural = (plural_), .list = (list_), .next = offsetof(type_, next), .id = offsetof(type_, id),                \
        .name = offsetof(type_, name_), .tags = offsetof(type_, tags), .options = (options_), ##__VA_ARGS__            \
    }

enum { SERVICES, ROUTES, UPSTREAMS, TARGETS, CONSUMERS, PLUGINS, CERTIFICATES, SNIS, AUTHORITIES, KINDS };

static const struct kind kinds[KINDS] = {
    [SERVICES] = KIND("services", struct kong_service, offsetof(struct config, services), name, service_options,
                      .more = more_of_service),
    [ROUTES] = KIND("routes", struct kong_route, offsetof(struct config, routes), name, route_options,
                    .more = more_of_route),
    [UPSTREAMS] = KIND("upstreams", struct kong_upstream, offsetof(struct config, upstreams), name, upstream_options,
                       .hidden = upstream_hidden),
    [TARGETS] = KIND("targets", struct kong_target, offsetof(struct kong_upstream, targets), target, target_options),
    [CONSUMERS] = KIND("consumers", struct kong_consumer, offsetof(struct config, consumers), username,
                       consumer_options),
    [PLUGINS] = KIND("plugins", struct kong_plugin, offsetof(struct config, plugins), instance_name, plugin_options,
                     .more = more_of_plugin),
    [CERTIFICATES] = KIND("certificates", struct kong_certificate, offsetof(struct config, certificates), id,
                          certificate_options, .more = more_of_certificate),
    [SNIS] = KIND("snis", struct kong_sni, offsetof(struct config, snis), name, sni_options, .more = more_of_sni),
    [AUTHORITIES] = KIND("ca_certificates", struct kong_ca, offsetof(struct config, authorities), id, ca_options),
};

static const void *find(const struct kind *kind, const void *owner, const char *name)
{
    for (const void *row = pointer_at(owner, kind->list); row; row = pointer_at(row, kind->next))
        if (text_equal(pointer_at(row, kind->name), name) || text_equal(pointer_at(row, kind->id), name))
            return row;
    return NULL;
}

/* What belongs to whom */

static bool route_of_service(const void *row, const void *owner)
{
    return ((const struct kong_route *)row)->service == owner;
}

static bool plugin_of_service(const void *row, const void *owner)
{
    return text_equal(((const struct kong_plugin *)row)->service_name, ((const struct kong_service *)owner)->name);
}

static bool plugin_of_route(const void *row, const void *owner)
{
    return text_equal(((const struct kong_plugin *)row)->route_name, ((const struct kong_route *)owner)->name);
}

static bool plugin_of_consumer(const void *row, const void *owner)
{
    return ((const struct kong_plugin *)row)->consumer == owner;
}

static bool sni_of_certificate(const void *row, const void *owner)
{
    return ((const struct kong_sni *)row)->certificate == owner;
}

static bool service_of_route(const void *row, const void *owner)
{
    return row == ((const struct kong_route *)owner)->service;
}

static const struct {
    int of;
    const char *path;
    int kind;
    bool (*belongs)(const void *row, const void *owner); /* NULL: its list is the owner's own */
    bool one;
} relations[] = {
    { SERVICES, "routes", ROUTES, route_of_service, false },
    { SERVICES, "plugins", PLUGINS, plugin_of_service, false },
    { ROUTES, "plugins", PLUGINS, plugin_of_route, false },
    { ROUTES, "service", SERVICES, service_of_route, true },
    { CONSUMERS, "plugins", PLUGINS, plugin_of_consumer, false },
    { CERTIFICATES, "snis", SNIS, sni_of_certificate, false },
    { UPSTREAMS, "targets/all", TARGETS, NULL, false },
    { UPSTREAMS, "targets", TARGETS, NULL, false },
};

/* Lists */

struct list {
    const struct kind *kind;
    const void *owner;
    bool (*belongs)(const void *row, const void *owner);
    int64_t size;
    const char *offset;    /* the id of the first that is shown; NULL: from the start */
    const char *tags;      /* a,b: all of these; a/b: one of these */
    const char *custom_id; /* of consumers; NULL: any */
};

static json_t *row_json(const struct admin *admin, const struct list *list, const void *row)
{
    const struct kind *kind = list->kind;
    json_t *out = options_json(kind->options, row);
    json_int_t since = admin->config->since_ms / 1000;
    json_object_set_new(out, "id", json_text(pointer_at(row, kind->id)));
    json_object_set_new(out, "created_at", json_integer(since));
    json_object_set_new(out, "updated_at", json_integer(since));
    if (kind->more)
        kind->more(out, admin->config, row);
    if (kind == &kinds[TARGETS]) {
        const struct kong_upstream *upstream = list->owner;
        json_object_set_new(out, "upstream", reference(upstream->id, upstream->name));
    }
    return out;
}

static bool has_tag(const struct texts *tags, const char *tag, size_t size)
{
    for (size_t i = 0; i < tags->count; i++)
        if (strlen(tags->items[i]) == size && memcmp(tags->items[i], tag, size) == 0)
            return true;
    return false;
}

static bool tagged(const struct texts *tags, const char *wanted)
{
    bool all = !strchr(wanted, '/');
    for (const char *at = wanted; *at;) {
        size_t size = strcspn(at, ",/");
        if (has_tag(tags, at, size) != all)
            return !all;
        at += size + (at[size] != 0);
    }
    return all;
}

static bool listed(const struct list *list, const void *row)
{
    const struct kind *kind = list->kind;
    if (list->custom_id && !text_equal(((const struct kong_consumer *)row)->custom_id, list->custom_id))
        return false;
    return !(kind->hidden && kind->hidden(row)) && (!list->belongs || list->belongs(row, list->owner)) &&
           (!list->tags || tagged((const void *)((const char *)row + kind->tags), list->tags));
}

static const void *next_listed(const struct list *list, const void *row)
{
    while (row && !listed(list, row))
        row = pointer_at(row, list->kind->next);
    return row;
}

static bool read_page(struct admin *admin, struct list *list)
{
    const char *size = admin_query(admin, "size");
    list->offset = admin_query(admin, "offset");
    list->tags = admin_query(admin, "tags");
    list->custom_id = list->kind == &kinds[CONSUMERS] ? admin_query(admin, "custom_id") : NULL;
    list->size = SIZE_DEFAULT;
    if (!size || (text_number(size, SIZE_MAX_, &list->size) && list->size))
        return true;
    admin->status = 400;
    admin->json = json_pack("{s:i,s:s,s:s}", "code", 9, "name", "invalid size", "message",
                            "invalid size (must be an integer between 1 and 1000)");
    return false;
}

static void write_next(struct admin *admin, const struct list *list, const void *row)
{
    if (!row) {
        json_object_set_new(admin->json, "next", json_null());
        return;
    }
    const char *id = pointer_at(row, list->kind->id);
    struct buf next = BUF(&admin->arena);
    buf_printf(&next, "%s?offset=%s&size=%lld", admin->path, id, (long long)list->size);
    if (list->tags)
        buf_printf(&next, "&tags=%s", list->tags);
    json_object_set_new(admin->json, "next", json_string(next.data));
    json_object_set_new(admin->json, "offset", json_string(id));
}

static void write_list(struct admin *admin, struct list *list, const void *base)
{
    if (!read_page(admin, list))
        return;
    const void *row = next_listed(list, pointer_at(base, list->kind->list));
    while (row && list->offset && !text_equal(pointer_at(row, list->kind->id), list->offset))
        row = next_listed(list, pointer_at(row, list->kind->next));
    if (list->offset && !row) {
        admin->status = 400;
        admin->json = json_pack("{s:i,s:s,s:s}", "code", 7, "name", "invalid offset", "message",
                                "invalid offset (begin again without one)");
        return;
    }
    json_t *data = json_array();
    for (int64_t i = 0; row && i < list->size; i++) {
        json_array_append_new(data, row_json(admin, list, row));
        row = next_listed(list, pointer_at(row, list->kind->next));
    }
    admin->json = json_pack("{s:o}", "data", data);
    write_next(admin, list, row);
}

/* Paths */

static void write_row(struct admin *admin, const struct list *list, const void *row)
{
    if (row)
        admin->json = row_json(admin, list, row);
    else
        admin_refuse(admin, 404, "Not found");
}

static const void *find_listed(const struct list *list, const void *base, const char *name)
{
    const void *row = next_listed(list, pointer_at(base, list->kind->list));
    while (row && name && !text_equal(pointer_at(row, list->kind->name), name) &&
           !text_equal(pointer_at(row, list->kind->id), name))
        row = next_listed(list, pointer_at(row, list->kind->next));
    return row;
}

/* `rest`: what follows the relation's name; "" for all of them. */
static bool write_relation(struct admin *admin, size_t i, const char *name, const char *rest)
{
    const struct kind *kind = &kinds[relations[i].kind];
    const void *owner = find(&kinds[relations[i].of], admin->config, name);
    struct list list = { .kind = kind, .owner = owner, .belongs = relations[i].belongs };
    const void *base = list.belongs ? (const void *)admin->config : owner;
    if (!owner)
        admin_refuse(admin, 404, "Not found");
    else if (relations[i].one || *rest)
        write_row(admin, &list, find_listed(&list, base, *rest ? rest + 1 : NULL));
    else
        write_list(admin, &list, base);
    return true;
}

static bool write_related(struct admin *admin, int of, const char *name, const char *path)
{
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        size_t size = strlen(relations[i].path);
        const char *rest = path + size;
        if (relations[i].of == of && strncmp(relations[i].path, path, size) == 0 &&
            (!*rest || (*rest == '/' && rest[1] && !strchr(rest + 1, '/') && !relations[i].one)))
            return write_relation(admin, i, name, rest);
    }
    return false;
}

bool admin_entities(struct admin *admin)
{
    for (int i = 0; i < KINDS; i++) {
        size_t size = strlen(kinds[i].plural);
        const char *rest = admin->path + 1 + size;
        if (i == TARGETS || strncmp(admin->path + 1, kinds[i].plural, size) != 0 || (*rest && *rest != '/'))
            continue;
        struct list list = { .kind = &kinds[i] };
        size_t name = *rest ? strcspn(rest + 1, "/") : 0;
        if (!name)
            write_list(admin, &list, admin->config);
        else if (rest[1 + name])
            return write_related(admin, i, arena_memdup(&admin->arena, rest + 1, name), rest + 2 + name);
        else
            write_row(admin, &list, find(&kinds[i], admin->config, rest + 1));
        return true;
    }
    return false;
}
