#pragma once
/* The entities of Kong's file, each by its table of fields. Internal to config/. */
#include "config/config.h"

struct kong_reader {
    struct config *config;
    struct faults *faults;
    struct kong_service **last_service;
    struct kong_route **last_route;
    struct kong_upstream **last_upstream;
    struct kong_plugin **last_plugin;
    struct kong_consumer **last_consumer;
};

/* From nodes to entities; references by name are left as names. */
void kong_read(struct kong_reader *reader, const struct node *root);
/* Names to pointers; what does not fit together is a fault. */
void kong_link(struct kong_reader *reader);
/* Fills config->secret_names. */
void kong_secrets(struct kong_reader *reader);

/* The consumers, and what is theirs; `reader` of kong_read() and of kong_link(). */
void kong_read_consumers(struct kong_reader *reader, const struct node *root);
void kong_link_consumers(struct kong_reader *reader);
/* Keys of those who sign tokens: read, looked at, given back at the configuration's end. */
void kong_read_signer(struct kong_reader *reader, const char *path, const struct node *node, void *consumer);
void kong_link_signers(struct kong_reader *reader);
void kong_forget_signers(struct config *config);
/* Whose a credential is: of the consumer that it stands below (NULL: of none), or of the one that it names. */
struct kong_consumer *read_consumer_of(struct kong_reader *reader, const char *path, const struct node *node,
                                       struct kong_consumer *above);
/* Sorts; two of one name are a fault, with `reason` and the line of the first. */
void names_sort(struct kong_reader *reader, struct kong_names *names, const char *field, const char *reason);
void names_add(struct kong_names *names, const char *name, void *what, int line);
void *names_find(const struct kong_names *names, const char *name);
/* The plugins by what they name, and the chains of all routes. */
void kong_link_plugins(struct kong_reader *reader);
void kong_make_chains(struct kong_reader *reader);

/* Calls `read` on each item of the list `name` of `map`, if it is there. */
typedef void read_item_fn(struct kong_reader *reader, const char *path, const struct node *node, void *parent);
void read_list(struct kong_reader *reader, const char *path, const struct node *map, const char *name,
               read_item_fn *read, void *parent);
/* A reference: a name, or a map with `key`. */
const char *read_reference_by(struct kong_reader *reader, const char *path, const struct node *map, const char *name,
                              const char *key);
const char *read_reference(struct kong_reader *reader, const char *path, const struct node *map, const char *name);
/* `parent`: struct kong_service, or NULL. */
void read_route(struct kong_reader *reader, const char *path, const struct node *node, void *parent);
/* What to do instead of a plugin of Kong's that the edge does not have: ": ..."; "" where nothing is known of it. */
const char *kong_plugin_instead(struct arena *arena, const char *name);
/* `parent`: a struct kong_plugin, whose names are given by where this one stands; NULL: none. */
void read_plugin(struct kong_reader *reader, const char *path, const struct node *node, void *parent);

struct kong_service *service_named(const struct config *config, const char *name);
struct kong_route *route_named(const struct config *config, const char *name);
/* The ids of those that the file gives none. */
void kong_ids(struct config *config);
/* The certificates and the names that they are for. */
void kong_read_certificates(struct kong_reader *reader, const struct node *root);
void kong_link_certificates(struct kong_reader *reader);

/* A service's url: is it nats://SUBJECT? `field` names it. */
bool kong_nats_read(struct kong_reader *reader, const struct node *url, const char *field,
                    struct kong_service *service);
/* The rest of such a service. */
void kong_nats_link(struct kong_reader *reader, struct kong_service *service);
/* What the subject of a route's service lacks must stand in each of the route's paths. */
void kong_nats_link_route(struct kong_reader *reader, const struct kong_route *route);

/* Fields that every entity may have. */
#define NOTES                                                                                                          \
    { .name = "created_at", .kind = OPTION_NOTE }, { .name = "updated_at", .kind = OPTION_NOTE },                      \
        { .name = "_comment", .kind = OPTION_NOTE },                                                                   \
    {                                                                                                                  \
        .name = "_ignore", .kind = OPTION_NOTE                                                                         \
    }
#define ID(type) OPTION("id", OPTION_TEXT, type, id, .valid = is_uuid, .rule = "is no UUID")

bool is_uuid(const char *text);

/* The fields of each entity. */
extern const struct option service_options[], route_options[], plugin_options[], consumer_options[], key_options[],
    acl_options[], signer_options[], info_options[], root_options[];
/* ... in kong_certificates.c. */
extern const struct option certificate_options[], sni_options[];
/* ... in kong_upstreams.c and kong_health.c. */
extern const struct option upstream_options[], target_options[], health_options[], passive_options[], active_options[],
    passive_healthy_options[], passive_unhealthy_options[], active_healthy_options[], active_unhealthy_options[];

bool is_header_name(const char *text);
/* Before the upstream is read, and after; `node` is its `healthchecks`, NULL where there is none. */
void kong_health_defaults(struct kong_upstream *upstream);
void kong_health_complete(struct kong_reader *reader, const char *path, const struct node *node,
                          struct kong_upstream *upstream);
read_item_fn kong_read_upstream, kong_read_target;
/* As Kong has it where the file says nothing, with `target` as the only member. */
struct kong_upstream *kong_upstream_new(struct kong_reader *reader, const char *target);

/* A path in normal form. */
bool is_plain_path(const char *text);
/* TLS to members and to probes: who signs, then all of it once the rest is linked, and its end. */
extern const struct option ca_options[];
read_item_fn kong_read_ca;
void kong_tls_check(struct kong_reader *reader);
void kong_tls_link(struct kong_reader *reader);
void kong_tls_free(struct config *config);
bool is_host(const char *text);
