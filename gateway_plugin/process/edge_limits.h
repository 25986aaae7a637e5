#pragma once
/*
 * How much the edge takes on at once, in all and from one connection. Counters
 * of one process, in memory that the others read: any thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_MS = 10000,      /* for a head, from its first byte */
    IDLE_MS = 60000,      /* between requests */
    BODY_IDLE_MS = 30000, /* without a byte of a body; it may take as long as it will in all */
    LINGER_MS = 5000,
    PEN_MS = 2000,
    LAST_CALL_MS = 500, /* for an idle connection, when the edge stops */
    STALL_MS = 60000,   /* without a byte taken by the client, an answer is given up */
    ABORTED_MAX = 200,  /* requests a second that a connection may take back */
    /* HTTP/2: a hundred streams are open, a hundred more are being closed. More are requests whose streams the client
     * made h2o reset, which goes on answering them (CVE-2025-8671). */
    REQUESTS_MAX = 256,
    QUESTIONS_MAX = 2048, /* over NATS, at a time: half of what its queue holds */
};

struct limits {
    size_t files_max;     /* descriptors of connections, to clients and to members */
    size_t conns_max;     /* to clients: fewer, so that there is always something left for what they ask */
    size_t requests_max;  /* each wants a member's connection sooner or later */
    size_t questions_max; /* over NATS: key checks have the rest of its queue */
    int64_t body_max;     /* of one request */
    int64_t bodies_max;   /* of all that are held at a time */
    atomic_size_t conns, origins, requests, questions;
    _Atomic int64_t bodies;
    _Atomic int64_t accepted, refused;
};

/* A process's part of what `processes` of them may take on, with `loops` of its own. Descriptors are no such part: each
 * process has as many as the system lets it. What has been counted in all stays. */
void limits_init(struct limits *limits, int64_t body_max, size_t processes, size_t loops);
bool limits_conn_take(struct limits *limits);
void limits_conn_give(struct limits *limits);
/* A connection to a member. */
bool limits_origin_take(struct limits *limits);
void limits_origin_give(struct limits *limits);
bool limits_request_take(struct limits *limits);
void limits_request_give(struct limits *limits);
bool limits_question_take(struct limits *limits);
void limits_question_give(struct limits *limits);
bool limits_body_take(struct limits *limits, int64_t size);
void limits_body_give(struct limits *limits, int64_t size);
