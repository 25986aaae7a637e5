#pragma once
/*
 * What h2o does not watch about a connection: how long a head takes, a body
 * without a byte, an idle or stalled peer, how large head and body are before
 * they are held. It reads in front of h2o: its callback
 * takes the place of h2o's on the socket and passes on what is acceptable;
 * what is not gets its answer here, and the connection is closed without a
 * reset that would destroy the answer.
 */
#include "http/server_parts.h"

struct connection {
    h2o_linklist_t link;
    struct loop *loop;
    h2o_socket_t *sock;
    h2o_socket_cb read;         /* h2o's, behind ours */
    h2o_timeout_entry_t rehook; /* h2o sets its own callback again for each request */
    bool head_known;            /* of the request that is being read */
    size_t head_size, body_max;
    struct http_job *job; /* the request that is being answered */
    bool lingering;       /* refused: reads and forgets until the peer has closed */
    int64_t since_ms;     /* begin of the head, last byte of the body, last answer, last progress of a write */
    size_t seen;          /* bytes of input at that time */
    size_t written;       /* bytes given to the socket, and of them ... */
    int unsent;           /* ... those it had not sent, at that time */
    char *refusal;
    bool peer_known, trusted;
    struct address address;
};

/* Takes a socket that has been given to h2o. */
void connection_begin(struct loop *loop, h2o_socket_t *sock);
struct connection *connection_of(h2o_req_t *h2o);
void connection_request_began(struct connection *connection, struct http_job *job);
/* It has ended; more may follow. */
void connection_request_ended(struct connection *connection);
/* The peer's address; whether it is in trusted_proxies. */
const struct address *connection_peer(struct connection *connection, bool *trusted);
/* Ends what has overstayed; every second, every 100 ms while draining. */
void connections_sweep(struct loop *loop);
/* Ends all at once, in the middle of what they do. */
void connections_cut(struct loop *loop);
