#pragma once
/* What the files of the server share. Nobody outside this folder includes it. */
#include "http/answers.h"
#include "http/forwarded.h"
#include "http/head.h"
#include "http/server.h"
#include "http/request_id.h"

#include <h2o.h>
#include <stdatomic.h>

enum { METHODS = OPTIONS + 1, CACHES_MAX = 32, CONNECTIONS_DEFAULT = 10000, BODY_DEFAULT = 64 << 10 };

enum stage {
    STAGE_RUNNING,
    STAGE_DRAINING, /* no new connections, every answer closes its own */
    STAGE_CUTTING,  /* connections are cut; requests still with a worker are waited for */
    STAGE_ENDING    /* as before, and the loop ends when nothing is left */
};

/* What the server knows of a route beside its row. */
struct row {
    const void *service;
    int cache; /* index of server.generations, -1 = not kept */
    size_t body_max;
    struct row_counts *counts;
};

struct server {
    struct ctx ctx; /* what lives as long as the server */
    struct server_options options;
    h2o_globalconf_t config;
    struct route *routes; /* of all mounts and the server's own, one table; ends with {0} */
    struct row *rows;     /* one for each route, and a last one for what matches none */
    size_t route_count;
    const char *cache_names[CACHES_MAX];
    atomic_uint_fast64_t generations[CACHES_MAX]; /* raised by answers_drop() */
    size_t cache_count;
    struct networks *trusted;
    struct readiness *readiness;
    struct metric *requests, *seconds;
    const char *address;
    int *listeners; /* loop_count rows of address_count */
    size_t address_count;
    struct loop *loops;
    size_t loop_count, loops_running;
    size_t connections_max; /* of one loop */
    atomic_int stage;
    atomic_int_fast64_t connections;
    pthread_mutex_t lock; /* loops_ready, loops_idle */
    pthread_cond_t changed;
    size_t loops_ready, loops_idle;
};

struct loop {
    h2o_context_t context; /* first: an h2o_context_t * is a struct loop * */
    struct server *server;
    size_t index;
    pthread_t thread;
    h2o_evloop_t *evloop;
    h2o_accept_ctx_t accept;
    h2o_socket_t **listeners;
    bool listening;                      /* the listeners are read */
    h2o_multithread_receiver_t receiver; /* answers of workers */
    h2o_linklist_t connections;
    size_t connection_count;
    size_t jobs;                /* with workers */
    atomic_size_t senders;      /* threads in the midst of a message to this loop: it ends after them */
    struct connection *current; /* whose bytes are being read; NULL once it is gone */
    h2o_timeout_entry_t sweep;
    struct answers *answers;
    struct ids ids;
    char *edge_secret; /* NULL = nobody is the edge; read again every second */
    enum stage stage;
    int64_t draining_since_ms, outage_logged_ms;
    bool told_idle;
};

/* A request on its way through the server. It lives in its own arena (req.ctx.arena). */
struct http_job {
    struct job job;
    h2o_multithread_message_t message;
    struct loop *loop;
    h2o_req_t *h2o; /* the loop's alone; NULL = the client has gone */
    struct row *row;
    struct request req;
    struct response *res;
    int64_t started_us;
    bool with_worker; /* the loop's alone */
    bool from_edge;   /* the peer has proven to be the edge ... */
    bool anonymous;   /* ... which has not checked a key */
    h2o_iovec_t raw_query;
    const char *kept_key; /* where the answer may be kept under; NULL = nowhere */
    uint64_t generation;  /* of its cache, noted before the handler ran */
    struct spool *spool;
    struct stream *stream;
    struct link *link;
    int64_t overdue_ms; /* with a worker still at that time: answered without it */
};

/* server_listen.c: binds `server->listeners`; closes them. */
bool listeners_open(struct ctx *ctx, struct server *server);
void listeners_close(struct server *server);

/* server_routes.c */
bool routes_gather(struct ctx *ctx, struct server *server);
enum method method_of(const char *text, size_t size); /* 0: none that we know */
/* "GET, HEAD" */
const char *allow_text(struct arena *arena, unsigned allowed);
/* Why no route answers: `allowed` as route_match() gave it. */
const char *unrouted_text(unsigned allowed);

/* server_loop.c */
bool loop_start(struct ctx *ctx, struct loop *loop);
/* Any thread, between loop_enter() and loop_leave(), which keep the loop from ending meanwhile. */
void loop_post(struct loop *loop, h2o_multithread_message_t *message);
void loop_enter(struct loop *loop);
void loop_leave(struct loop *loop);

/* server_request.c */
int request_begin(h2o_handler_t *handler, h2o_req_t *h2o);
void job_destroy(struct http_job *job);
/* h2o's request goes on without the job, which its worker's last message frees. */
void job_let_go(struct http_job *job);
/* Hands a whole request to the workers; the answer is 503 where they have no room. */
void job_push(struct http_job *job);

/* server_send.c: the job's answer on its way; the job ends with the h2o request. On the loop. */
void answer_send(struct http_job *job);
void answer_error(struct http_job *job);
/* 503 in the place of a worker that does not come back, as from a disk that stands still; what it brings one day is
 * thrown away. */
void answer_overdue(struct http_job *job);
const char *status_text(int status);

/* server_source.c: an answer with a source: conditions and range make it what is sent; then its body, as the client
 * takes it. */
void source_begin(struct http_job *job);
void source_send(struct http_job *job);
void source_finish(struct http_job *job);
/* Ends a pipe's answer whose client has gone: while it waits for the pipe, nobody else would notice. */
void source_sweep(struct http_job *job);
/* Ends a pipe's answer that waits for the pipe. */
void source_cut(struct http_job *job);

/* server_spool.c: the entity into a file, some at a time, then job_push(). Before that, whether there is room for
 * `size` bytes, which h2o keeps in a file of its own; any thread. */
enum { SPOOLED_FROM = 1 << 20 };
bool spool_has_room(const struct server *server, int64_t size, bool to_file);
void spool_start(struct http_job *job);
void spool_finish(struct http_job *job);

/* server_filter.c: errors that h2o itself answers get the envelope. */
void filter_register(h2o_hostconf_t *host);

/* access.c: on a worker, or on the loop where access_is_free(). False: req.ctx.error. */
bool access_is_free(const struct http_job *job);
bool access_check(struct http_job *job);

/* server_status.c: /health, /ready, /metrics */
extern const struct route status_routes[];
struct readiness *readiness_create(void);
void readiness_destroy(struct readiness *readiness);

/* server_count.c */
void counts_start(struct server *server);
void count_request(struct server *server, struct row *row, enum method method, int status, int64_t microseconds);
