#pragma once
/*
 * Connections to members, HTTP/1.1 as bytes: connect, write, read, keep for the
 * next. Each loop has its own; the one used last is used first. A kept one is
 * listened to, so that what its member closes is never picked.
 */
#include "member/balancer.h"
#include "process/loop.h"

struct origin;

struct origin_user {
    /* `failed`: refused, unreachable, or its certificate is not taken. */
    void (*connected)(void *self, bool failed);
    /* There is something to read, be it the end. */
    void (*readable)(void *self);
    void (*written)(void *self, bool failed);
};

/* Whom to connect to, and how. */
struct peer {
    struct member *member;
    struct ssl_ctx_st *tls; /* NULL: without */
    const char *name;       /* that its certificate must have, where it is looked at */
};

struct pools *pools_create(struct loop *loop);
void pools_destroy(struct pools *pools);
/* Every 100 ms: what was kept too long is closed. */
void pools_sweep(struct pools *pools, int64_t now_ms);
size_t pools_count(const struct pools *pools);

/* A kept connection, NULL: there is none. `safe`: only one that is most likely open still, for what cannot be sent
 * twice. */
struct origin *origin_take(struct loop *loop, const struct peer *peer, bool safe, const struct origin_user *user,
                           void *self);
/* A new one; user->connected is called later. NULL: failed at once; errno is EMFILE where this process has no more
 * descriptors for it, which is not the member's fault. */
struct origin *origin_connect(struct loop *loop, const struct peer *peer, const struct origin_user *user, void *self);
/* The answer is complete: keeps it. */
void origin_keep(struct origin *origin);
void origin_close(struct origin *origin);
/* Has it carried a request before? */
bool origin_used(const struct origin *origin);

/* Sends at once what the kernel takes, and says how much that is; `written` hears nothing of it. */
size_t origin_send(struct origin *origin, const char *data, size_t size);
void origin_write(struct origin *origin, h2o_iovec_t *parts, size_t count);
/* Bytes read; 0 the member has closed; -1 nothing now; -2 broken. */
ssize_t origin_read(struct origin *origin, char *data, size_t room);
/* Back-pressure: `readable` is not called until it is resumed. */
void origin_pause(struct origin *origin);
void origin_resume(struct origin *origin);
/* Hands over the socket (an upgrade), and with it its room: limits_origin_give() when it closes. The origin is gone. */
h2o_socket_t *origin_steal(struct origin *origin);
