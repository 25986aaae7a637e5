#pragma once
/* A process of the edge: its configuration, loops, and what they share. */
#include "base/settings.h"
#include "config/config.h"
#include "process/edge_shared.h"
#include "process/loop.h"
#include "logs/otlp_settings.h"
#include "client/netmask.h"

struct auth_keys;
struct verifier;
struct answer_cache;
struct bus;
struct checker;
struct discovery;
struct feed;
struct limit_links;

struct edge_settings {
    const char *listen, *tls_listen, *tls_cert, *tls_key, *admin_listen, *config;
    int64_t threads, processes, drain_ms, body_max;
    const char *dns_resolver;
    const char *member_nets, *trusted_proxies;
    const char *nats_url, *nats_ca, *nats_creds;
    struct secret nats_password, edge_secret;
    int log_level;
    const char *access_log;
    int access_log_format;
    int64_t access_log_sample;
    struct otlp_settings otlp;
    int compress;  /* of enum compress */
    int64_t cache; /* bytes, of all processes */
};

extern const char *const access_log_formats[];

struct edge {
    const struct edge_settings *settings;
    const char *instance;
    struct nets trusted; /* proxies: see client.h */
    const char *secret;  /* shown to members that are ours; NULL: none */
    struct edge_shared *shared;
    size_t index;          /* of this process */
    struct slot *slot;     /* its own */
    struct limits *limits; /* of its slot */
    struct edge_metrics *metrics;
    struct answer_cache *cache;
    struct access_log *log;
    struct otlp *otlp;
    struct otlp_target traces; /* of all requests; without a url: of those whose plugin says so */
    struct bus *bus;           /* NULL: without NATS */
    struct feed *feed;
    struct auth_keys *auth_keys; /* NULL: without NATS */
    struct verifier *verifier;
    _Atomic(struct key_cache *) keys; /* these two are told of NATS by its own thread, from early on */
    _Atomic(struct discovery *) discovery;
    struct limit_links *limit_links; /* to Redis */
    struct checker *checker;         /* probes its members */
    h2o_globalconf_t global, admin_global;
    struct loop **loops;
    size_t loop_count;
    struct loop *admin;   /* NULL: off */
    pthread_mutex_t lock; /* guards `config` */
    struct config *config;
    uint64_t hangups; /* that the logs know of */
    int tls_index;
};

/* Begins with the configuration that is in force. Fails with the address that is in use, or what TLS lacks. Listens
 * when NATS and members are there, or after a second. */
struct edge *edge_start(struct ctx *ctx, const struct edge_settings *settings, struct edge_shared *shared,
                        size_t index);
/* Takes the configuration that is in force now; requests under way end on theirs. The main thread. */
void edge_take_config(struct edge *edge);
/* With a reference. */
struct config *edge_config(struct edge *edge);
/* Opens the logs anew where SIGHUP has come. The main thread. */
void edge_look_at_logs(struct edge *edge);
/* Tells the others how it is; ends what no configuration uses any more. Ten times a second, on the main thread. */
void edge_tell(struct edge *edge);
/* The admin's side takes no more: it could not speak for the whole edge. */
void edge_close_admin(struct edge *edge);
/* Lets requests under way finish for EDGE's drain time, then ends. */
void edge_stop(struct edge *edge);
