#pragma once
/*
 * One event loop and its thread: listeners, connections of clients, requests,
 * connections to members. What it holds is touched by its own thread alone;
 * others send it messages.
 */
#include "config/config.h"
#include "client/h2_ids.h"

#include <h2o.h>
#include <pthread.h>
#include <semaphore.h>

enum { ADDRESS_MAX = 64, UUID_TEXT = 36 };

struct edge;
struct pools;
struct proofs;
struct block;
struct kong_memo;

struct listener {
    struct loop *loop;
    int fd;
    h2o_socket_t *sock; /* NULL: not started */
    bool tls;
    bool paused; /* too many connections */
    struct listener *next;
};

struct loop {
    h2o_context_t ctx; /* first: from h2o's context to the loop */
    struct edge *edge;
    size_t index;
    const char *name;
    h2o_globalconf_t *global;
    pthread_t thread;
    bool started;
    sem_t ready, drained;
    h2o_multithread_receiver_t receiver;
    h2o_hostconf_t *hosts[2];
    struct config *config; /* the present one; NULL on the admin's loop */
    struct ssl_ctx_st *tls;
    struct listener *listeners;
    h2o_linklist_t conns;     /* struct conn */
    h2o_linklist_t finished;  /* struct conn whose request is over: see conn_after_run() */
    h2o_linklist_t silent;    /* struct conn of HTTP/2 that is not read: see conn_after_run() */
    h2o_linklist_t waiting;   /* struct conn of HTTP/2 whose frames h2o has not seen yet: see conn_after_run() */
    h2o_linklist_t exchanges; /* struct exchange */
    struct pools *pools;
    struct kong_memo *kong_memo; /* of kong_metrics.c; NULL: not yet */
    struct proofs *proofs;       /* made with the first; NULL: none yet */
    struct block *blocks;        /* free ones */
    size_t block_count;
    h2o_timeout_t tunnel_timeout;
    h2o_timeout_entry_t tick; /* every 100 ms */
    uint64_t random[2];
    char uuid[UUID_TEXT + 1]; /* of this loop, for ids that count */
    uint64_t ids, accepted;
    int64_t log_second;
    unsigned logged;        /* lines in this second */
    h2_flatten_fn *flatten; /* h2o's own: see h2_ids.h */
    int64_t now_us;         /* of this turn; 0: nobody has asked yet */
    size_t conn_count;
    unsigned begun;           /* requests of HTTP/2 in this turn */
    size_t compressing;       /* answers */
    h2o_linklist_t refreshes; /* of proxy-cache */
    size_t refresh_count;
    bool stopping;
    int64_t stopping_since, stop_at; /* on clock_ms(): what is left at the second is cut off */
    bool quiet;                      /* `drained` was posted */
    bool ending;
    char address[ADDRESS_MAX]; /* that the last listener is bound to */
};

/* Runs on the loop's thread. */
struct message {
    h2o_multithread_message_t super;
    void (*run)(struct loop *loop, struct message *message); /* owns the message */
};

/*
 * h2o keeps memory for each thread, so all that is h2o's is made and freed on
 * the loop's own. Starts nothing yet.
 */
struct loop *loop_create(struct edge *edge, size_t index, const char *name, h2o_globalconf_t *global);
/* Takes the descriptor of a bound socket. Before loop_launch(). */
void loop_listen(struct loop *loop, int fd, bool tls);
/* Returns when messages can be sent to it. */
void loop_launch(struct loop *loop);
/* Any thread. */
void loop_send(struct loop *loop, struct message *message);
/* Any thread: takes no more connections; what is left after `drain_ms` is cut off. */
void loop_stop(struct loop *loop, int64_t drain_ms);
/* Waits until a stopped loop has no more connections. Messages are still taken. */
void loop_drain(struct loop *loop);
/* Ends the thread, frees all. NULL is fine. */
void loop_free(struct loop *loop);
/* On its thread, while it stops: its connections of HTTP/2 are told to begin no more. */
void loop_say_goaway(struct loop *loop);
/* On its thread: a connection comes (false: there is no room for it); has gone. */
bool loop_take_room(struct loop *loop);
void loop_give_room(struct loop *loop);
/* On its thread: is there room for another line in the log this second? An outage must not fill the disk. */
bool loop_may_log(struct loop *loop);
/* On its thread: clock_ms() and clock_us() as they were when this turn of the loop first asked. */
int64_t loop_now(struct loop *loop);
int64_t loop_now_us(struct loop *loop);
/* On its thread: not for secrets. */
uint64_t loop_random(struct loop *loop);
/* On its thread: a UUID of version 4 for what need not be secret. */
void loop_uuid(struct loop *loop, char out[UUID_TEXT + 1]);

/* A piece of memory for the bytes of one answer under way. Kept by the loop for the next one. */
enum { BLOCK_SIZE = 32 * 1024 };
struct block {
    struct block *next;
    char data[BLOCK_SIZE];
};
struct block *loop_block(struct loop *loop);
void loop_block_free(struct loop *loop, struct block *block);
