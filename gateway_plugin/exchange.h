#pragma once
/*
 * A request's way through the edge: checked, matched to a route, through the
 * route's plugins, to a member, and back. On its loop's thread, never blocking.
 * It dies with h2o's request; nothing that waits for it may outlive that.
 */
#include "balancer.h"
#include "conn.h"
#include "forward.h"
#include "origin.h"
#include "paths.h"
#include "router.h"
#include "trace.h"

/* Who asks, when a plugin knows. Texts live as long as the request. */
struct identity {
    const char *id, *name, *credential;
};

enum { TRIED_MAX = 8 };

/* What proxy.c keeps. */
struct proxy {
    struct member *member; /* with a reference */
    struct member *tried[TRIED_MAX];
    size_t tried_count;
    int64_t attempts;
    struct origin *origin;
    int64_t deadline; /* on clock_ms(); 0: none */
    bool connecting;
    h2o_iovec_t head;
    size_t body_sent;
    bool writing, all_sent, stopped; /* stopped: the answer came early, no more is sent */
    struct block *block;
    size_t start, end, in_flight; /* of the block: sent to here, filled to here, at h2o up to here */
    enum body_end body_end;
    uint64_t left; /* BODY_LENGTH */
    struct chunks chunks;
    bool head_done, complete, keep, broken;
    char chunk_line[24];
};

struct exchange {
    h2o_generator_t generator; /* first */
    h2o_req_t *req;
    struct loop *loop;
    struct conn *conn;
    struct config *config;
    struct kong_route *route; /* NULL: none matches */
    h2o_linklist_t link;
    h2o_timeout_entry_t later;
    struct path path;
    size_t prefix;
    unsigned method;
    bool idempotent, head_request;
    size_t chain_at; /* the plugin that is next */
    char request_id[REQUEST_ID_MAX + 1], traceparent[TRACEPARENT_SIZE + 1];
    struct identity identity;
    bool hide_key; /* the credential is not for the service */
    const char *key_header;
    void (*cancel)(void *waiting);
    void *waiting;
    int64_t begun_us;
    int64_t stalled_since; /* since when h2o has what we sent last */
    int unsent;            /* bytes in the kernel when we last looked */
    bool counted;          /* by edge_limits.h */
    size_t held;           /* bytes of the body that are counted there too: HTTP/2 */
    bool malformed;        /* HTTP/2: the answer ends with a reset of the stream (RFC 9113, 8.1.1) */
    bool upgrade;          /* asks for WebSocket */
    bool started, finished, sending, chunk_out, events, half_closed, abandoned;
    struct proxy proxy;
};

int exchange_on_req(h2o_handler_t *self, h2o_req_t *req);

/* For plugins. */
/* A plugin waits: `cancel` is called when the client goes away first. */
void exchange_wait(struct exchange *x, void (*cancel)(void *waiting), void *waiting);
/* The wait is over: on with the next plugin. */
void exchange_resume(struct exchange *x);
/* Answers in the envelope. */
void exchange_refuse(struct exchange *x, int status, const char *message);
/* A header of the answer, whoever gives it. Copies neither. */
void exchange_header(struct exchange *x, const char *name, const char *value);
char *exchange_printf(struct exchange *x, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
/* NULL: none, or `*count` of them. */
const h2o_iovec_t *exchange_request_header(const struct exchange *x, const char *name, size_t *count);

/* For proxy.c. */
/* Runs the plugins' header hooks, adds what every answer has, gives the head to h2o. */
void exchange_start(struct exchange *x);
/* All is said: what follows is not HTTP. */
void exchange_leave(struct exchange *x);
void exchange_send(struct exchange *x, h2o_iovec_t *parts, size_t count, h2o_send_state_t state);

/* For conn.c: the client has gone; it has closed its side. */
void exchange_abandon(struct exchange *x);
void exchange_half_closed(struct exchange *x);
/* Every 100 ms: timeouts. */
void exchange_sweep(struct loop *loop, int64_t now_ms);
