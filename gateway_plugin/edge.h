#pragma once
/* The process: its configuration, loops, and what they share. */
#include "base/settings.h"
#include "config/config.h"
#include "edge_limits.h"
#include "loop.h"

struct bus;
struct discovery;
struct edge_metrics;
struct feed;
struct key_cache;

struct edge_settings {
    const char *listen, *tls_listen, *tls_cert, *tls_key, *admin_listen, *config;
    int64_t threads, drain_ms, body_max;
    const char *member_nets;
    const char *nats_url, *nats_ca, *nats_creds;
    struct secret nats_password, edge_secret;
    int log_level;
};

struct edge {
    const struct edge_settings *settings;
    const char *instance;
    const char *secret; /* shown to members that are ours; NULL: none */
    struct limits limits;
    struct edge_metrics *metrics;
    struct bus *bus; /* NULL: without NATS */
    struct feed *feed;
    _Atomic(struct key_cache *) keys; /* these two are told of NATS by its own thread, from early on */
    _Atomic(struct discovery *) discovery;
    h2o_globalconf_t global, admin_global;
    struct loop **loops;
    size_t loop_count;
    struct loop *admin;   /* NULL: off */
    pthread_mutex_t lock; /* guards `config` */
    struct config *config;
    int64_t started_ms; /* unix */
};

/* Takes the configuration. Fails with the address that is in use, or what TLS lacks. */
struct edge *edge_start(struct ctx *ctx, const struct edge_settings *settings, struct config *config);
/* Puts another configuration in the place of the present one; requests under way end on theirs. Any thread but a
 * loop's. */
void edge_use(struct edge *edge, struct config *config);
/* With a reference. */
struct config *edge_config(struct edge *edge);
/* Reads EDGE_CONFIG and the certificate again; on faults all stays as it is and the log says why. */
void edge_reload(struct edge *edge);
/* Lets requests under way finish for EDGE's drain time, then ends. */
void edge_stop(struct edge *edge);
