#include "proxy/origin.h"

#include "base/log.h"
#include "process/edge.h"
#include "process/edge_tls.h"
#include "must.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>

enum {
    KEEP_MS = 4000,      /* shorter than what servers keep a connection for */
    KEEP_SAFE_MS = 1000, /* for requests that cannot be sent twice */
    PROVEN_MS = 20,      /* a member that closes after each answer without saying so does it at once */
    KEEP_MAX = 1024,     /* for each member and loop: as many as were busy at a time */
    BUCKETS = 64,
    TLS_ROOM = 128 * 1024,
};

struct origin {
    h2o_socket_t *sock;
    struct loop *loop;
    struct member *member;
    SSL_CTX *tls;              /* with a reference; NULL: none */
    h2o_timeout_entry_t again; /* TLS: what was decrypted and not read is offered again */
    char *name;                /* TLS: until the handshake */
    int ended;                 /* TLS: what origin_read() says when all has been read; 1: not yet */
    const struct origin_user *user;
    void *self;
    bool used, paused;
    int64_t idle_since;
    struct origin *next, **back; /* in its pool; back NULL: in use */
};

struct pool {
    struct member *member; /* with a reference */
    SSL_CTX *tls;          /* too; NULL: none */
    struct origin *first;  /* the one that was used last */
    size_t count;
    struct pool *next;
};

struct pools {
    struct loop *loop;
    struct pool *buckets[BUCKETS];
    size_t count;
};

static size_t bucket_of(const struct member *member)
{
    return ((uintptr_t)member >> 6) % BUCKETS;
}

static struct pool *pool_of(struct pools *pools, struct member *member, SSL_CTX *tls, bool make)
{
    struct pool **slot = &pools->buckets[bucket_of(member)];
    for (struct pool *pool = *slot; pool; pool = pool->next)
        if (pool->member == member && pool->tls == tls)
            return pool;
    if (!make)
        return NULL;
    struct pool *pool = h2o_mem_alloc(sizeof *pool);
    *pool = (struct pool){ .member = member_ref(member), .tls = edge_tls_ref(tls), .next = *slot };
    return *slot = pool;
}

struct pools *pools_create(struct loop *loop)
{
    struct pools *pools = h2o_mem_alloc(sizeof *pools);
    *pools = (struct pools){ .loop = loop };
    return pools;
}

static void unlink_origin(struct origin *origin)
{
    if (!origin->back)
        return;
    *origin->back = origin->next;
    if (origin->next)
        origin->next->back = origin->back;
    origin->back = NULL;
    struct pools *pools = origin->loop->pools;
    pools->count--;
    pool_of(pools, origin->member, origin->tls, true)->count--;
}

static void free_origin(struct origin *origin)
{
    h2o_timeout_unlink(&origin->again);
    member_unref(origin->member);
    edge_tls_free(origin->tls);
    free(origin->name);
    free(origin);
}

void origin_close(struct origin *origin)
{
    unlink_origin(origin);
    h2o_socket_close(origin->sock);
    limits_origin_give(origin->loop->edge->limits);
    /* Who closes in the middle of a handshake leaves a word that the next one's reading would take for its own. */
    if (origin->tls)
        ERR_clear_error();
    free_origin(origin);
}

h2o_socket_t *origin_steal(struct origin *origin)
{
    h2o_socket_t *sock = origin->sock;
    h2o_socket_read_stop(sock);
    h2o_socket_dont_read(sock, 0);
    free_origin(origin);
    return sock;
}

/* TLS: h2o decrypts all that has come. What its user has no room for yet is offered until it is taken. */

static bool has_more(const struct origin *origin)
{
    return origin->tls && (origin->sock->input->size || origin->ended != 1);
}

static void offer_later(struct origin *origin)
{
    if (origin->tls && !h2o_timeout_is_linked(&origin->again))
        h2o_timeout_link(origin->loop->ctx.loop, &origin->loop->ctx.zero_timeout, &origin->again);
}

static void on_again(h2o_timeout_entry_t *entry)
{
    struct origin *origin = H2O_STRUCT_FROM_MEMBER(struct origin, again, entry);
    if (!origin->user || origin->paused || !has_more(origin))
        return;
    offer_later(origin);
    origin->user->readable(origin->self);
}

static void on_readable(h2o_socket_t *sock, const char *err)
{
    struct origin *origin = sock->data;
    if (err)
        origin->ended = err == h2o_socket_error_closed ? 0 : -2;
    if (origin->user) {
        /* Before: the user may close it. */
        offer_later(origin);
        origin->user->readable(origin->self);
        return;
    }
    /* A session's ticket is for h2o alone. */
    if (origin->tls && !has_more(origin))
        return;
    /* Kept: it can only have been closed, or say what nobody asked for. */
    if (loop_now(origin->loop) - origin->idle_since < PROVEN_MS)
        origin->member->keeps = false;
    origin_close(origin);
}

static void on_handshake(h2o_socket_t *sock, const char *err)
{
    struct origin *origin = sock->data;
    /* The name has been looked at by upstream_tls.c, if at all: h2o knows no addresses. */
    if (err == h2o_socket_error_ssl_cert_name_mismatch)
        err = NULL;
    ERR_clear_error();
    if (err && loop_may_log(origin->loop))
        log_warn(NULL, "the TLS of a member is not taken", "member", origin->member->name, "name", origin->name, "why",
                 err);
    if (!err)
        h2o_socket_read_start(sock, on_readable);
    origin->user->connected(origin->self, err);
}

static void begin_tls(struct origin *origin)
{
    /* Back-pressure: what the kernel holds for us is what h2o may decrypt at a time. */
    int room = TLS_ROOM;
    setsockopt(h2o_socket_get_fd(origin->sock), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    h2o_socket_ssl_handshake(origin->sock, origin->tls, origin->name, on_handshake);
}

static void on_connected(h2o_socket_t *sock, const char *err)
{
    struct origin *origin = sock->data;
    if (!err && origin->tls) {
        begin_tls(origin);
        return;
    }
    if (!err) {
        /* We read ourselves: h2o would read all that there is. */
        h2o_socket_dont_read(sock, 1);
        h2o_socket_read_start(sock, on_readable);
    }
    origin->user->connected(origin->self, err);
}

/* Those that are kept are the first to go. */
static bool take_room(struct loop *loop)
{
    if (limits_origin_take(loop->edge->limits))
        return true;
    pools_sweep(loop->pools, INT64_MAX);
    return limits_origin_take(loop->edge->limits);
}

static h2o_socket_t *connect_sock(struct loop *loop, const struct peer *peer)
{
    struct sockaddr_storage address = peer->member->address.socket;
    errno = EMFILE;
    if (!take_room(loop))
        return NULL;
    h2o_socket_t *sock = h2o_socket_connect(loop->ctx.loop, (struct sockaddr *)&address, peer->member->address.size,
                                            on_connected);
    if (!sock)
        limits_origin_give(loop->edge->limits);
    return sock;
}

struct origin *origin_connect(struct loop *loop, const struct peer *peer, const struct origin_user *user, void *self)
{
    h2o_socket_t *sock = connect_sock(loop, peer);
    if (!sock)
        return NULL;
    struct origin *origin = h2o_mem_alloc(sizeof *origin);
    *origin = (struct origin){ .sock = sock,
                               .loop = loop,
                               .member = member_ref(peer->member),
                               .tls = edge_tls_ref(peer->tls),
                               .again = { .cb = on_again },
                               .name = peer->tls ? must(strdup(peer->name)) : NULL,
                               .ended = 1,
                               .user = user,
                               .self = self };
    sock->data = origin;
    return origin;
}

/* The last look before a request is entrusted to it. */
static bool open_still(const struct origin *origin)
{
    char byte;
    return recv(h2o_socket_get_fd(origin->sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool safe_enough(struct origin *origin, int64_t now_ms)
{
    return origin->member->keeps && now_ms - origin->idle_since < KEEP_SAFE_MS && open_still(origin);
}

struct origin *origin_take(struct loop *loop, const struct peer *peer, bool safe, const struct origin_user *user,
                           void *self)
{
    struct pool *pool = pool_of(loop->pools, peer->member, peer->tls, false);
    struct origin *origin = pool ? pool->first : NULL;
    if (!origin || (safe && !safe_enough(origin, loop_now(loop))))
        return NULL;
    unlink_origin(origin);
    origin->user = user;
    origin->self = self;
    return origin;
}

void origin_keep(struct origin *origin)
{
    struct pools *pools = origin->loop->pools;
    struct pool *pool = pool_of(pools, origin->member, origin->tls, true);
    if (pool->count >= KEEP_MAX || origin->loop->stopping ||
        atomic_load_explicit(&origin->member->left, memory_order_relaxed) || has_more(origin)) {
        origin_close(origin);
        return;
    }
    if (origin->used && !atomic_load_explicit(&origin->member->keeps, memory_order_relaxed))
        origin->member->keeps = true;
    origin_resume(origin);
    origin->used = true;
    origin->user = NULL;
    origin->self = NULL;
    origin->idle_since = loop_now(origin->loop);
    origin->next = pool->first;
    origin->back = &pool->first;
    if (pool->first)
        pool->first->back = &origin->next;
    pool->first = origin;
    pool->count++;
    pools->count++;
}

bool origin_used(const struct origin *origin)
{
    return origin->used;
}

static void on_written(h2o_socket_t *sock, const char *err)
{
    struct origin *origin = sock->data;
    if (origin->user)
        origin->user->written(origin->self, err);
}

size_t origin_send(struct origin *origin, const char *data, size_t size)
{
    if (origin->tls)
        return 0;
    ssize_t sent = send(h2o_socket_get_fd(origin->sock), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    /* What is wrong shows in origin_write(). */
    return sent < 0 ? 0 : (size_t)sent;
}

void origin_write(struct origin *origin, h2o_iovec_t *parts, size_t count)
{
    h2o_socket_write(origin->sock, parts, count, on_written);
}

static ssize_t read_decrypted(struct origin *origin, char *data, size_t room)
{
    size_t size = origin->sock->input->size;
    if (!size)
        return origin->ended == 1 ? -1 : origin->ended;
    size = size < room ? size : room;
    memcpy(data, origin->sock->input->bytes, size);
    h2o_buffer_consume(&origin->sock->input, size);
    return (ssize_t)size;
}

ssize_t origin_read(struct origin *origin, char *data, size_t room)
{
    if (origin->tls)
        return read_decrypted(origin, data, room);
    ssize_t got;
    do
        got = recv(h2o_socket_get_fd(origin->sock), data, room, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    return errno == EAGAIN ? -1 : -2;
}

void origin_pause(struct origin *origin)
{
    if (!origin->paused)
        h2o_socket_read_stop(origin->sock);
    origin->paused = true;
}

void origin_resume(struct origin *origin)
{
    if (origin->paused) {
        h2o_socket_read_start(origin->sock, on_readable);
        offer_later(origin);
    }
    origin->paused = false;
}

static void sweep_pool(struct pool *pool, int64_t now_ms)
{
    for (struct origin *origin = pool->first, *next; origin; origin = next) {
        next = origin->next;
        if (now_ms - origin->idle_since > KEEP_MS || pool->member->left)
            origin_close(origin);
        else if (now_ms - origin->idle_since > PROVEN_MS &&
                 !atomic_load_explicit(&pool->member->keeps, memory_order_relaxed))
            pool->member->keeps = true;
    }
}

void pools_sweep(struct pools *pools, int64_t now_ms)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct pool **slot = &pools->buckets[i], *pool; (pool = *slot);) {
            sweep_pool(pool, now_ms);
            if (pool->count) {
                slot = &pool->next;
                continue;
            }
            *slot = pool->next;
            member_unref(pool->member);
            edge_tls_free(pool->tls);
            free(pool);
        }
    }
}

size_t pools_count(const struct pools *pools)
{
    return pools->count;
}

void pools_destroy(struct pools *pools)
{
    pools_sweep(pools, INT64_MAX);
    free(pools);
}
