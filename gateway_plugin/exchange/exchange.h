#pragma once
/*
 * A request's way through the edge: checked, matched to a route, through the
 * route's plugins, to a member, and back. On its loop's thread, never blocking.
 * It dies with h2o's request; nothing that waits for it may outlive that.
 */
#include "member/balancer.h"
#include "client/client.h"
#include "client/conn.h"
#include "exchange/flow.h"
#include "exchange/forward.h"
#include "apikey/grant.h"
#include "exchange/caller.h"
#include "proxy/origin.h"
#include "exchange/paths.h"
#include "router/router.h"
#include "logs/tracing.h"

enum { TRIED_MAX = 8 };

/* A member that was asked, for the log: it may be gone by then. */
struct tried {
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    int64_t at_us;
};

/* What proxy.c keeps. */
struct proxy {
    struct member *member; /* with a reference */
    struct member *tried[TRIED_MAX];
    size_t tried_count;
    int64_t attempts;
    bool hashed; /* what it is balanced by: hash_on.h */
    uint64_t hash;
    int64_t asked_us; /* when it was sent */
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
    unsigned interims; /* 1xx that have come */
    bool head_done, complete, keep, broken;
};

/* Who keeps a copy of a member's answer, as it came: no plugin has changed it yet. */
struct tap {
    void (*head)(struct tap *tap, struct exchange *x, const struct reply_head *head);
    void (*body)(struct tap *tap, struct exchange *x, const char *data, size_t size);
    void (*end)(struct tap *tap, struct exchange *x, bool whole); /* not called where the exchange ends before */
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
    const struct pattern *pattern; /* of the route's path; NULL: it is none */
    struct captures *captures;
    unsigned method;
    bool idempotent, head_request;
    const struct kong_plugin *const *chain; /* what runs; NULL: no route matches */
    size_t chain_at;                        /* the plugin that is next */
    char request_id[REQUEST_ID_MAX + 1], traceparent[TRACEPARENT_SIZE + 1];
    struct tracing tracing;
    struct identity identity;
    struct client client;        /* see client_of() */
    struct rate_told *rate_told; /* plugins/rate_limiting.c; NULL: nothing */
    struct grant *grant;         /* that these texts live in; may be NULL */
    void (*cancel)(void *waiting);
    void *waiting;
    int64_t begun_us;
    int64_t stalled_since; /* since when h2o has what we sent last */
    int unsent;            /* bytes in the kernel when we last looked */
    bool counted;          /* by edge_limits.h */
    size_t held;           /* bytes of the body that are counted there too: HTTP/2 */
    bool malformed;        /* HTTP/2: the answer ends with a reset of the stream (RFC 9113, 8.1.1) */
    bool upgrade;          /* asks for WebSocket */
    bool unread;           /* its body is too large for its route, and is not read to its end: it is refused */
    uint64_t told;         /* `unread`: the length that the head told; 0: none */
    bool started, finished, sending, chunk_out, events, half_closed, abandoned;
    /* What a plugin has forwarded instead; base NULL: as it came. The path is the member's, without a query. */
    h2o_iovec_t new_method, new_path, new_host;
    bool plain_answer;       /* the member shall not compress: the answer is to be read */
    bool compressing;        /* counted by its loop */
    struct flow *flow;       /* what the answer's body goes through; NULL: nothing */
    struct tap *tap;         /* NULL: nobody */
    struct caching *caching; /* what proxy-cache knows of it; NULL: it has not run */
    char chunk_line[24];
    int64_t asked_us, head_us; /* a member was asked first; the head of the answer was there; 0: not so far */
    int upstream_status;       /* of a member's answer; 0: there was none */
    bool logged;               /* by the access log's setting */
    const char *said;          /* by exchange_say(), last */
    h2o_iovec_t log_head;      /* the answer's headers for a line of it */
    struct proxy proxy;
    struct tried tries[TRIED_MAX]; /* of proxy.tried_count; must stand last: not emptied at the start */
};

int exchange_on_req(h2o_handler_t *self, h2o_req_t *req);

/* For plugins. */
/* A plugin waits: `cancel` is called when the client goes away first. */
void exchange_wait(struct exchange *x, void (*cancel)(void *waiting), void *waiting);
/* The wait is over: on with the next plugin. */
void exchange_resume(struct exchange *x);
/* Answers in the envelope. `message` is English, and told in the client's language (told.h), or exchange_say() made it.
 */
void exchange_refuse(struct exchange *x, int status, const char *message);
/* What such a message says, of a format that is English. */
char *exchange_say(struct exchange *x, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
/* One more header of the answer, whoever gives it. Copies neither. */
void exchange_header(struct exchange *x, const char *name, const char *value);
/* In a header hook: what the answer has under this name (small letters) goes; instead of it there is `value`. */
void exchange_drop_header(struct exchange *x, const char *name);
void exchange_set_header(struct exchange *x, const char *name, const char *value);
/* A number in digits, in the request's pool, ended by NUL. */
h2o_iovec_t exchange_digits(struct exchange *x, uint64_t number);
char *exchange_printf(struct exchange *x, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
/* The same text, with a NUL behind it. */
char *exchange_text(struct exchange *x, h2o_iovec_t text);
/* NULL: none, or `*count` of them. */
const h2o_iovec_t *exchange_request_header(const struct exchange *x, const char *name, size_t *count);

/* In a header hook, or before: the body of the answer goes through `filter`, which is taken. */
void exchange_filter(struct exchange *x, struct body_filter *filter);
/* Has this answer a body, as far as its head tells? Not where a HEAD is answered, for one. */
bool exchange_has_body(const struct exchange *x);
/* Answers with x->req->res as it is and a body that stays where it is until the log hooks have run.
 * To a HEAD: `size` is that of the body that there would be. */
void exchange_give(struct exchange *x, const char *body, size_t size);
/* What a group of the route's regular expression matched, by its name or number. false: there is none. */
bool exchange_capture(const struct exchange *x, const char *name, h2o_iovec_t *value);

/* Before all of a request is here: the largest body that comes through its route's plugins; UINT64_MAX: any, or nobody
 * can tell yet. Takes memory from req->pool. */
uint64_t exchange_body_most(struct conn *conn, h2o_req_t *req);
/* Of the path as the client wrote it. false: it is malformed. */
bool exchange_normalise(struct exchange *x);
/* The client has told the length of its body; it waits for a 100 before it sends it. */
bool exchange_length_told(const struct exchange *x);
bool exchange_expects(const struct exchange *x);
/* For exchange.c: false: there is none, and that has been answered. */
bool exchange_find_route(struct exchange *x);

/* For proxy.c. */
/* Runs the plugins' header hooks, adds what every answer has, gives the head to h2o. */
void exchange_start(struct exchange *x);
/* All is said: what follows is not HTTP. */
void exchange_leave(struct exchange *x);
void exchange_send(struct exchange *x, h2o_iovec_t *parts, size_t count, h2o_send_state_t state);
/* A piece of the body, through the filters and in chunks. false: the filters have taken all of it and want more; else
 * it stays where it is until h2o asks again. */
bool exchange_put(struct exchange *x, const char *data, size_t size, h2o_send_state_t state);
/* h2o wants more, and a filter had some. */
bool exchange_drain(struct exchange *x);

/* For conn.c: the client has gone; it has closed its side. */
void exchange_abandon(struct exchange *x);
void exchange_half_closed(struct exchange *x);
/* Every 100 ms: timeouts. */
void exchange_sweep(struct loop *loop, int64_t now_ms);
