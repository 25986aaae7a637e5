#pragma once
/*
 * Kong's declarative configuration, read and checked. Immutable, shared by all
 * loops; counted, so that a request under way ends on the one it began on.
 */
#include "config/options.h"
#include "plugin.h"

#include <stdatomic.h>

struct sample;
struct upstream;

enum method_bit {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_PUT = 8,
    METHOD_PATCH = 16,
    METHOD_DELETE = 32,
    METHOD_OPTIONS = 64,
    METHOD_OTHER = 128,
    METHOD_ALL = 255
};
unsigned method_bit(const char *name, size_t size);

struct kong_target {
    const char *target; /* HOST:PORT, or nats:NAME */
    const char *upstream;
    int64_t weight;
    struct texts tags;
    int line;
    struct kong_target *next;
};

struct kong_health {
    int64_t tcp_failures, timeouts, http_failures; /* 0: not looked at */
    int64_t successes;
    struct integers failure_statuses, success_statuses;
};

struct kong_upstream {
    const char *name, *host_header;
    struct texts tags;
    struct kong_health passive;
    struct kong_target *targets;
    int line;
    struct kong_upstream *next;
    struct upstream *live; /* its members: balancer.h */
    bool tonearm;          /* tagged so: its members are ours and are shown the edge's secret */
};

struct kong_service {
    const char *name, *host, *path;
    int64_t port, retries;
    int64_t connect_timeout, write_timeout, read_timeout; /* ms */
    bool enabled;
    struct texts tags;
    int line;
    struct kong_service *next;
    struct kong_upstream *upstream; /* the one that `host` names, or one made for this host and port */
};

/* What runs for a route: one instance of each plugin at most. */
struct kong_plugin {
    const struct plugin *plugin;
    void *config;
    const char *instance_name;
    const char *service_name, *route_name; /* NULL: of all */
    bool enabled;
    struct texts tags;
    int line;
    struct kong_plugin *next;
};

enum { STATUS_MAX = 600 };

struct kong_route {
    const char *name, *service_name;
    struct kong_service *service;
    unsigned methods; /* of enum method_bit */
    struct texts method_names, paths, protocols;
    bool strip_path, preserve_host;
    bool plain, tls; /* which protocols it is open to */
    struct texts tags;
    int line;
    struct kong_route *next;
    const struct kong_plugin **chain; /* NULL-terminated, in the order of plugins[] */
    _Atomic(struct sample *) by_status[STATUS_MAX];
    _Atomic(struct sample *) latency;
};

struct kong_key {
    const char *key;
    const struct kong_consumer *consumer;
    int line;
    struct kong_key *next;
};

struct kong_consumer {
    const char *username, *custom_id;
    struct texts tags;
    int line;
    struct kong_consumer *next;
};

struct config {
    struct arena arena;
    atomic_size_t references;
    const char *file;
    const char *text; /* as it was read */
    size_t size;
    struct kong_service *services;
    struct kong_route *routes;
    struct kong_upstream *upstreams;
    struct kong_plugin *plugins;
    struct kong_consumer *consumers;
    struct kong_key *keys;
    const struct kong_key **sorted_keys; /* by key */
    size_t key_count;
    struct router *router;
};

/*
 * Reads and checks; resolves and connects nothing. NULL on faults. `live` of
 * the upstreams is for the caller to fill. With one reference.
 */
struct config *config_read(struct faults *faults, const char *data, size_t size);
/* The same from a file. */
struct config *config_read_file(struct faults *faults, const char *file);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
/* NULL: no consumer has it. */
const struct kong_key *config_key(const struct config *config, const char *key);
