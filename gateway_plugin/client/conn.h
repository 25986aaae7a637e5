#pragma once
/*
 * A client's connection, from accept to close. It stands between the socket and
 * h2o: heads of HTTP/1 and frames of HTTP/2 are looked at here before h2o reads
 * them, and who is too slow, too large or too busy is cut off.
 */
#include "client/chunks.h"
#include "client/h2_guard.h"
#include "client/head_check.h"
#include "process/loop.h"

#include <netinet/in.h>

enum conn_phase {
    CONN_HANDSHAKE, /* TLS */
    CONN_FIRST,     /* HTTP/1 or HTTP/2? */
    CONN_HEAD,      /* waits for a head, or has a part of one */
    CONN_BODY,      /* h2o collects the body */
    CONN_BUSY,      /* a request is being answered */
    CONN_H2,
    CONN_PEN,    /* HTTP/2 past a budget: left alone for a while, for who is closed comes back at once */
    CONN_LINGER, /* refused: what still comes is thrown away, so that the client can read why */
    CONN_TUNNEL, /* HTTP is over: see tunnel.h */
    CONN_GONE,
};

struct exchange;

struct conn {
    h2o_linklist_t link, finished;
    struct loop *loop;
    h2o_socket_t *sock;
    h2o_socket_cb inner; /* h2o's own callback for what is read; NULL: h2o does not have the socket yet */
    struct timeval accepted_at;
    enum conn_phase phase;
    bool tls, wants_h2; /* wants_h2: its ALPN said so */
    bool checked;       /* the head of the request at hand has passed */
    bool unsafe_body;   /* chunks that nobody has looked at: nothing more is read after them */
    bool watched;       /* BUSY: the socket tells us when the client goes */
    bool half_closed;   /* the client has sent all that it will send */
    bool unread;        /* of the request that h2o is being given, the body is not read; see exchange.h */
    bool no_room;       /* HTTP/2: the disk is too full for the bodies that are coming */
    uint64_t told;      /* `unread`: the length that its head told; 0: none */
    uint64_t body_most; /* HTTP/1, chunks: the most that its route takes */
    int spare;          /* the socket once more, for what is still to come on it; -1: nothing is */
    struct head head;
    size_t seen;
    struct chunks chunks;
    struct h2_guard *guard; /* of HTTP/2 */
    h2o_linklist_t waiting; /* HTTP/2: frames have come that h2o has not seen yet */
    h2o_linklist_t silent;  /* HTTP/2: it is not read while it does not take what it is told */
    int64_t stalled_since;  /* HTTP/2: since when it has taken nothing */
    int64_t grown_since;    /* HTTP/2: since when no body has grown: `progress` bytes had come */
    int unsent;             /* bytes in the kernel when we last looked */
    int64_t since;          /* when the phase began, or the body last grew */
    size_t progress;
    size_t held;       /* bytes of body that limits.h counts for it */
    unsigned requests; /* under way */
    uint64_t serial;   /* of this connection, on its loop */
    uint64_t served;   /* requests that have come on it */
    int64_t second;    /* of the count of aborted requests */
    unsigned aborted;
    uint32_t unread_stream;  /* HTTP/2, `unread`: whose */
    size_t unread_left;      /* HTTP/2: bytes of the frame that is being thrown away */
    uint32_t unread_over[8]; /* HTTP/2: streams whose clients are to be told to send no more */
    unsigned unread_over_count;
    struct exchange *exchange;  /* HTTP/1: the one that is being answered */
    struct ssl_ctx_st *context; /* of its TLS, with a reference; NULL: none */
    char *server_name;          /* that the client's TLS asked for, in lower case; NULL: none */
    char *refusal;
    struct in6_addr peer_address; /* IPv4 mapped */
    char peer[64];                /* the same in digits */
    size_t peer_size;
};

void conn_accept(struct loop *loop, h2o_socket_t *sock, bool tls);
struct conn *conn_of(const h2o_req_t *req);
/* In the handshake: whom the client wants to talk to. */
void conn_note_server_name(h2o_socket_t *sock, const char *name);
/* HTTP/1, from on_req: the head, where it has not been looked at before (it came with the request before it). NULL:
 * good. */
const char *conn_check(struct conn *conn, int *status);
/* A request begins, ends. `aborted`: the client went away before it was answered. */
void conn_begin(struct conn *conn, struct exchange *x);
void conn_end(struct conn *conn, struct exchange *x, bool aborted);
/* Its request has become a tunnel. */
void conn_tunnelled(struct conn *conn);
/* HTTP/2, after an answer was given to h2o: it stops reading at half a megabyte that is to be written. */
void conn_mind_silence(struct conn *conn);
/* After each turn of the loop: connections whose request is over wait for the next head; frames that h2o reads by
 * itself again are looked at again. */
void conn_after_run(struct loop *loop);
/* Every 100 ms: timeouts. */
void conn_sweep(struct loop *loop, int64_t now_ms);
/* Cuts it off; h2o hears of it as of a client that went away. */
void conn_cut(struct conn *conn);
