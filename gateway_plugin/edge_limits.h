#pragma once
/*
 * How much the edge takes on at once, in all and from one connection. Counters
 * of the process: any thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_MS = 10000,        /* for a head, from its first byte */
    IDLE_MS = 60000,        /* between requests */
    BODY_WINDOW_MS = 10000, /* in which a body must grow by ... */
    BODY_WINDOW_BYTES = 1024,
    LINGER_MS = 5000,
    PEN_MS = 2000,
    STALL_MS = 60000,  /* without a byte taken by the client, an answer is given up */
    ABORTED_MAX = 200, /* requests a second that a connection may take back */
};

struct limits {
    size_t conns_max, requests_max;
    int64_t body_max;   /* of one request */
    int64_t bodies_max; /* of all that are held at a time */
    atomic_size_t conns, requests;
    _Atomic int64_t bodies;
    _Atomic int64_t accepted, refused;
};

void limits_init(struct limits *limits, int64_t body_max);
bool limits_conn_take(struct limits *limits);
void limits_conn_give(struct limits *limits);
bool limits_request_take(struct limits *limits);
void limits_request_give(struct limits *limits);
bool limits_body_take(struct limits *limits, int64_t size);
void limits_body_give(struct limits *limits, int64_t size);
