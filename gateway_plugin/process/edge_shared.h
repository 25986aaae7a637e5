#pragma once
/*
 * What the processes of one edge have in common: memory that is mapped before
 * they are forked, so that it lies at the same place in all of them and stays
 * when one dies. Counters only grow; what a process holds (connections, bodies)
 * is in its slot, which is emptied when it has died.
 */
#include "logs/access_log.h"
#include "caching/answer_cache.h"
#include "config/config.h"
#include "config/yaml_tree.h"
#include "limiting/counts.h"
#include "process/edge_limits.h"
#include "process/edge_tls.h"
#include "apikey/key_answers.h"
#include "apikey/key_cache.h"
#include "logs/otlp.h"

#include <pthread.h>
#include <sys/types.h>

struct edge_metrics;
struct vitals_table;

enum { EDGE_PROCESSES_MAX = 64 };

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_SERVING };

struct slot {
    struct limits limits;
    struct key_counts keys;
    struct limit_totals rate_limits;
    struct log_counts logs;
    struct span_counts spans;
    struct cache_counts cache;
    _Atomic enum slot_state state;
    _Atomic pid_t pid;
    atomic_bool bus_up, feed_whole; /* as its process saw it last, ten times a second */
    _Atomic uint64_t generation;    /* of the configuration that it uses */
    int bell;                       /* an eventfd that its process listens to */
} __attribute__((aligned(128)));

/* The text of the configuration in force, for a process that starts and for one that is told of a new one. */
struct shared_config {
    pthread_mutex_t lock;        /* robust; of all below */
    _Atomic uint64_t generation; /* grows with each */
    struct tls_tickets tickets;  /* made anew when certificates are replaced */
    struct shared_text {
        size_t size;
        int64_t since_ms; /* unix */
        char file[4096];
        char data[YAML_MAX];
    } copies[2]; /* the one in force, and the one before it: who dies while he writes spoils nothing */
};

struct edge_shared {
    size_t count;       /* processes */
    size_t loops;       /* of all processes */
    int64_t started_ms; /* unix */
    char node_id[37];   /* a UUID of all of them together, new at each start */
    _Atomic int64_t deaths;
    _Atomic uint64_t hangups; /* how often SIGHUP has come: logs are opened anew */
    struct rates *rates;
    struct vitals_table *vitals; /* of the members */
    struct counts *counts;
    struct key_answers *answers;
    struct forgotten *forgotten; /* of proxy-cache */
    struct shared_answers *kept; /* by it; NULL: there is one process */
    struct edge_metrics *metrics;
    struct shared_config *config;
    int bell; /* of the parent */
    struct slot slots[EDGE_PROCESSES_MAX];
};

/* Of all processes that serve. */
struct edge_total {
    size_t serving, conns, requests;
    int64_t accepted;
    bool bus_up, feed_whole; /* of each of them */
};

struct edge_settings;

struct edge_shared *edge_shared_create(const struct edge_settings *settings);
void edge_shared_destroy(struct edge_shared *shared);
/* Its process has died, or is about to begin: it holds nothing. */
void edge_shared_empty(struct edge_shared *shared, size_t index, const struct edge_settings *settings);
/* How many event loops are this process's. */
size_t edge_shared_loops(const struct edge_shared *shared, size_t index);

/* Bytes of EDGE_CACHE that are each process's own: half of it is common to all. */
size_t edge_shared_cache_part(const struct edge_shared *shared, const struct edge_settings *settings);

struct edge_total edge_shared_total(const struct edge_shared *shared);

/* Puts a configuration that has been read in force, and rings: each process takes it by itself. `tickets`: with new
 * ones for TLS. */
void edge_shared_put(struct edge_shared *shared, const struct config *config, bool tickets);
/* Waits until those that serve have taken it, at most `ms`. */
void edge_shared_settle(struct edge_shared *shared, int64_t ms);
/* The one in force, and its generation. NULL and a line in the log: it cannot be read, which it could when it was put.
 */
struct config *edge_shared_config(struct edge_shared *shared, uint64_t *generation);

struct tls_tickets edge_shared_tickets(struct edge_shared *shared);

void bell_ring(int bell);
void bell_quiet(int bell);
