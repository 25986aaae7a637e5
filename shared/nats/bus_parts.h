#pragma once
/*
 * What the files of this folder share of the bus; nobody else includes it.
 *
 * The sender's thread alone opens and closes the connection and writes to it
 * (libnats' own reconnecting is off: it keeps and later sends what nobody waits
 * for any more, gives up after two refusals of a password, and holds its lock
 * while it connects). Callbacks of messages come on libnats' delivery thread.
 */
#include "nats/bus.h"

#include <nats/nats.h>
#include <pthread.h>

/* A message on its way to the sender. */
struct outgoing {
    struct outgoing *next;
    natsMsg *msg;
    uint64_t ask; /* 0 = nobody waits for an answer */
    size_t size;
};

/* On libnats' delivery thread; the message is freed after the call unless `true` says that it was taken. */
typedef bool bus_arrival_fn(void *self, natsMsg *msg);

/* A subscription that outlives connections. */
struct listening {
    struct listening *next;
    struct bus *bus;
    char *subject;
    char *queue; /* group; NULL = none */
    bus_arrival_fn *arrival;
    void *self;
    bool wanted;
    bool open; /* libnats may still call arrived() */
    bool busy; /* the sender is just about it */
    bool draining;
    natsSubscription *sub; /* the sender's */
};

/* What libnats may still call with, released when the bus is closed. */
struct kept {
    struct kept *next;
    void (*release)(void *self);
    void *self;
};

/* Either may be NULL. */
struct watcher {
    struct watcher *next;
    void (*connected)(void *self); /* on the sender's thread: must not block, nor watch or unwatch */
    void (*closing)(void *self);   /* first thing in bus_close(), which forgets the watcher then */
    void *self;
};

/* An answer with its headers; `msg` is NULL when none came (an outage, a timeout) and dies after the call. */
typedef void bus_answer_fn(void *self, int status, natsMsg *msg);

struct ask {
    uint64_t token;   /* 0 = free */
    uint64_t subject; /* its hash */
    int64_t until_ms;
    bus_reply_fn *reply; /* one of the three */
    bus_full_reply_fn *full;
    bus_answer_fn *answer;
    void *self;
    uint32_t next_free;
};

enum { ASKS = 8192 };

struct asks {
    pthread_mutex_t mutex;
    pthread_cond_t some;
    struct ask slots[ASKS];
    uint64_t generation;
    uint32_t first_free; /* ASKS = none */
    size_t count;
    bool stopping;
    bool started;
    pthread_t sweeper;
};

struct bus {
    struct arena arena;
    const char *servers[16], *user, *url_password, *name, *instance, *ca_file, *creds_file, *inbox;
    size_t server_count;
    bool tls;
    struct secret password;
    bool has_password;
    size_t room;
    void (*connected)(void *self);
    void *self;

    pthread_mutex_t mutex; /* what follows, but for `nc` */
    pthread_cond_t work;   /* for the sender */
    pthread_cond_t quiet;  /* for those who wait until something is done */
    struct outgoing *first, **last;
    size_t waiting, waiting_bytes;
    struct listening *listenings;
    bool changed; /* a listening is new, or no longer wanted */
    bool lost;    /* libnats says that the connection is gone */
    bool stopping;
    int64_t stop_ms;  /* on clock_ms(): flush until then */
    size_t callbacks; /* that libnats may still make */
    bool up;          /* read without the lock */
    bool started;

    pthread_mutex_t watching; /* held while watchers are called */
    struct watcher *watchers;
    uint64_t epoch; /* connections so far; by __atomic */
    struct kept *kept;

    natsConnection *nc; /* the sender's */
    char complaint[128];
    int64_t complained_ms;
    int64_t told_ms; /* of trouble, last; by __atomic */
    pthread_t sender;
    struct asks asks;
};

/* bus.c */
struct listening *bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_arrival_fn *arrival,
                                void *self);
/* Lets what has arrived be handled, then ends it. After true no call is made any more; false: not within timeout_ms,
 * then `self` must live as long as the bus. */
bool bus_unsubscribe(struct bus *bus, struct listening *listening, int64_t timeout_ms);
/* For what bus_unsubscribe() could not end: `release` is called in bus_close(), when nobody calls with it any more. */
void bus_keep(struct bus *bus, void (*release)(void *self), void *self);
void bus_watch(struct bus *bus, const struct watcher *watcher);
void bus_unwatch(struct bus *bus, const void *self);
/* Grows with every connection: what was known by an earlier one may have changed. */
uint64_t bus_epoch(const struct bus *bus);
void cond_init(pthread_cond_t *cond);
/* false when clock_ms() has reached `until_ms`. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms);

/* bus_link.c: on the sender's thread */
bool link_open(struct bus *bus);
void link_close(struct bus *bus);
void link_apply(struct bus *bus);

/* bus_sender.c */
bool sender_start(struct ctx *ctx, struct bus *bus);
void sender_stop(struct bus *bus, int64_t timeout_ms);
/* Takes `msg` in any case. false: the queue is full or the connection is away. */
bool sender_push(struct bus *bus, natsMsg *msg, uint64_t ask);

/* bus_calls.c */
bool asks_start(struct ctx *ctx, struct asks *asks);
void asks_stop(struct asks *asks);
void asks_fail(struct asks *asks, int status);
bool asks_pending(struct asks *asks, uint64_t token);
void asks_refuse(struct asks *asks, uint64_t token, int status);
/* The server does not let this subject be asked. */
void asks_forbid(struct asks *asks, const char *subject, size_t size);
bus_arrival_fn answer_arrived;

bool bus_ask_message(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                     bus_answer_fn *answer, void *self);

/* What came back, in ctx->arena. */
struct answer {
    int status;
    const char *text; /* of an error, "" otherwise */
    const char *data;
    size_t size;
    const char *reply;   /* where to answer it, "" = nowhere */
    const char *subject; /* Nats-Subject and Nats-Sequence of a message read from a stream */
    uint64_t sequence;
};
/* Asks and waits, at most until the deadline; false for an outage or a timeout only. */
bool bus_request(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                 struct answer *out);
/* Asks all of them at once, at most GATHER_MAX; status 0 in those that could not be asked (then false). */
enum { GATHER_MAX = 64 };
bool bus_request_many(struct ctx *ctx, struct bus *bus, const struct bus_message *messages, size_t count,
                      int64_t timeout_ms, struct answer *out);
/* Into the message's own memory, and a copy of it. `msg` may be NULL. */
struct answer answer_of(int status, natsMsg *msg);
struct answer answer_copy(struct arena *arena, const struct answer *from);
bool bus_publish_message(struct ctx *ctx, struct bus *bus, const struct bus_message *message, const char *reply);

const char *msg_header(natsMsg *msg, const char *name); /* NULL: none */
/* All of them, names in lower case, a pair for each value; more than MSG_HEADERS_MAX are left out. Ends with {0}. */
enum { MSG_HEADERS_MAX = 64 };
const struct pair *msg_headers(struct arena *arena, natsMsg *msg);
