#pragma once
/*
 * Kong's declarative configuration, read and checked. Immutable, shared by all
 * loops; counted, so that a request under way ends on the one it began on.
 */
#include "config/name_table.h"
#include "config/options.h"
#include "config/upstreams.h"
#include "router/host_rule.h"
#include "router/pattern.h"
#include "plugin.h"
#include "credential/signed_token.h"

#include <stdatomic.h>

struct nats_subject;
struct sample;
struct ssl_ctx_st;
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
    const char *id;
    const char *target; /* HOST:PORT, or nats:NAME */
    const char *upstream;
    int64_t weight;
    struct texts tags;
    int line;
    struct kong_target *next;
};

struct kong_upstream {
    const char *id, *name, *host_header;
    struct balance balance;
    struct hash_input hash_on, hash_fallback;
    struct hash_names hash_names;
    const char *cookie_path; /* of the cookie that the edge sets for them */
    struct kong_health health;
    struct checks checks;         /* the same, as members are judged by it */
    struct ssl_ctx_st *probe_tls; /* of probes by https; NULL: there are none */
    const char *tls_name;         /* host_header without its port; NULL: each member's own */
    struct texts tags;
    struct kong_target *targets;
    int line;
    struct kong_upstream *next;
    struct upstream *live; /* its members: balancer.h */
    bool tonearm;          /* tagged so: its members are ours and are shown the edge's secret */
};

/* Whoever signs members' certificates. */
struct kong_ca {
    const char *id, *cert; /* PEM */
    struct texts tags;
    int line;
    struct kong_ca *next;
};

struct kong_service {
    const char *id, *name, *host, *path;
    const struct nats_subject *subject; /* of a url nats://SUBJECT: it has no host; else NULL */
    int64_t port, retries;
    int64_t connect_timeout, write_timeout, read_timeout; /* ms */
    int https;                                            /* 1: by TLS */
    bool tls_verify;
    int64_t tls_verify_depth; /* -1: OpenSSL's */
    struct texts ca_certificates;
    struct ssl_ctx_st *tls; /* NULL: without */
    bool enabled;
    struct texts tags;
    int line;
    struct kong_service *next;
    struct kong_upstream *upstream; /* the one that `host` names, or one made for this host and port */
    struct kong_plugin *plugins;    /* that are for it and for no route: see `near` */
};

struct kong_plugin {
    const struct plugin *plugin;
    size_t order; /* in plugins[] */
    void *config;
    const char *id, *instance_name;
    const char *service_name, *route_name, *consumer_name; /* NULL: of all */
    const struct kong_service *service;                    /* the ones of these names */
    const struct kong_route *route;
    struct kong_consumer *consumer;
    bool enabled;
    struct texts tags;
    int line;
    struct kong_plugin *next, *near; /* near: the next that is for the same route, service or for all */
};

enum { STATUS_MAX = 600 };

enum kong_path_kind {
    ROUTE_PREFIX,  /* whole segments of it */
    ROUTE_WHOLE,   /* `~/text$`: nothing but this */
    ROUTE_PATTERN, /* another `~` regex, or one made from `/tracks/{id}` */
};

struct kong_path {
    enum kong_path_kind kind;
    const char *source; /* as the file has it */
    const char *text;   /* in normal form; of a pattern what it surely begins with */
    size_t size;
    bool named; /* a pattern made from `{id}`: it ranks as a prefix of its `text` */
    const struct pattern *pattern;
};

struct kong_header_value {
    const char *text;              /* case does not count */
    const struct pattern *pattern; /* `~*`; NULL: the text as it is */
};

/* A header that a route asks for: one of these values. */
struct kong_header {
    const char *name; /* in lower case */
    struct kong_header_value *values;
    size_t count;
};

struct kong_route {
    const char *id, *name, *service_name;
    struct kong_service *service;
    unsigned methods; /* of enum method_bit */
    struct texts method_names, paths, protocols, hosts, snis;
    struct kong_path *ways;       /* what `paths` say: as many */
    struct host_rule *host_rules; /* what `hosts` say: as many */
    struct kong_header *headers;
    size_t header_count;
    int64_t regex_priority;
    int redirect; /* index into redirect_statuses[] */
    bool strip_path, preserve_host;
    bool plain, tls; /* which protocols it is open to */
    struct texts tags;
    int line;
    struct kong_route *next;
    const struct kong_plugin *
        *chain; /* for whoever asks: one row of each plugin at most, in their order; NULL-terminated */
    size_t chain_length;
    struct kong_plugin *plugins; /* that are for it: see `near` */
    _Atomic(struct sample *) by_status[STATUS_MAX];
    _Atomic(struct sample *) latency;
};

/* What a client hears that asks without TLS for what is open to TLS only: 426, or a redirection. */
extern const char *const redirect_statuses[];

/* What a consumer is known by: a key, or who signs his tokens. */
struct kong_key {
    const char *id, *key;
    struct kong_consumer *consumer;
    int line;
    struct kong_key *next;
};

/* Who signs tokens for a consumer. */
struct kong_signer {
    const char *id, *key; /* key: what the tokens name it by */
    const char *secret, *rsa_public_key;
    unsigned char print[32];         /* of the key: another key, another print */
    struct token_key by, by_decoded; /* by_decoded: the secret stands in base64; none where it does not */
    int algorithm;                   /* enum token_alg */
    struct kong_consumer *consumer;
    int line;
    struct kong_signer *next;
};

struct kong_acl {
    const char *group;
    struct kong_consumer *consumer;
    struct kong_acl *next;
};

struct kong_consumer {
    const char *id, *username, *custom_id;
    struct texts tags;
    int line;
    struct kong_consumer *next;
    const struct kong_plugin **plugins; /* its own, in the order of plugins[] */
    size_t plugin_count;
    struct texts groups; /* of its acls */
};

/* A text by which something is found. */
struct kong_name {
    const char *name;
    void *what;
    int line;
};

struct kong_names {
    struct kong_name *items; /* by name */
    size_t count;
};

struct kong_certificate {
    const char *id;
    const char *cert, *key, *cert_alt, *key_alt; /* PEM; the second pair may be NULL */
    struct texts tags;
    int line;
    struct kong_certificate *next;
};

/* A name that a client's TLS may ask for. */
struct kong_sni {
    const char *id, *name, *certificate_id;
    const struct kong_certificate *certificate;
    struct texts tags;
    int line;
    struct kong_sni *next;
};

struct config {
    struct arena arena;
    atomic_size_t references;
    const char *file;
    const char *text; /* as it was read */
    size_t size;
    int64_t since_ms;         /* unix: when it was put in force */
    uint64_t generation;      /* no two that were in force have the same; 0: it was not in force */
    bool old_paths;           /* before format 3.0: a path that looks like a regular expression is one */
    struct pattern *patterns; /* of its routes */
    struct kong_service *services;
    struct kong_route *routes;
    struct name_table service_names, route_names, upstream_names; /* by name or id */
    struct kong_upstream *upstreams;
    struct kong_ca *authorities;
    struct kong_plugin *plugins, *plugins_of_all;
    struct kong_consumer *consumers;
    struct kong_certificate *certificates;
    struct kong_sni *snis;
    struct kong_key *keys;
    struct kong_signer *signers;
    struct kong_acl *acls;
    struct kong_names usernames, consumer_ids, custom_ids, sorted_keys, sorted_signers;
    struct router *router;
    uint64_t least_body;       /* the least of what its plugins' body_most() say; UINT64_MAX: none does */
    struct texts secret_names; /* of headers and query fields that carry credentials: redact.h */
};

/*
 * Reads and checks; resolves and connects nothing. NULL on faults. `live` of
 * the upstreams is for the caller to fill. With one reference.
 */
struct config *config_read(struct faults *faults, const char *data, size_t size);
/* The same from a file. */
struct config *config_read_file(struct faults *faults, const char *file);
/* Before a process uses it: see plugin.h. */
void config_attach(struct config *config, struct edge *edge);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
/* NULL: no consumer has it. */
const struct kong_key *config_key(const struct config *config, const char *key);
const struct kong_signer *config_signer(const struct config *config, const char *key);
/* By username, or by id; NULL: none. */
struct kong_consumer *config_consumer(const struct config *config, const char *name);
/* By custom_id: what somebody else knows it as. */
struct kong_consumer *config_consumer_known_as(const struct config *config, const char *custom_id);
/* No body above this comes through the plugins of the route, whoever asks; UINT64_MAX: nobody can tell. */
uint64_t config_body_most(const struct config *config, const struct kong_route *route);
/*
 * What runs on `route` for this consumer (NULL: of no plugin's) after the plugin of order `after`: NULL-terminated,
 * into `out`, which has room for route->chain_length + consumer->plugin_count + 1. Kong's precedence, the closest
 * first: consumer with route and service, consumer with route, consumer with service, route with service, consumer,
 * route, service, all.
 */
size_t config_chain(const struct kong_route *route, const struct kong_consumer *consumer, size_t after,
                    const struct kong_plugin **out);
