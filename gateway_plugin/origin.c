#include "origin.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/tcp.h>

enum {
    KEEP_MS = 4000,      /* shorter than what servers keep a connection for */
    KEEP_SAFE_MS = 1000, /* for requests that cannot be sent twice */
    PROVEN_MS = 20,      /* a member that closes after each answer without saying so does it at once */
    KEEP_MAX = 1024,     /* for each member and loop: as many as were busy at a time */
    BUCKETS = 64,
};

struct origin {
    h2o_socket_t *sock;
    struct loop *loop;
    struct member *member;
    const struct origin_user *user;
    void *self;
    bool used, paused;
    int64_t idle_since;
    struct origin *next, **back; /* in its pool; back NULL: in use */
};

struct pool {
    struct member *member; /* with a reference */
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

static struct pool *pool_of(struct pools *pools, struct member *member, bool make)
{
    struct pool **slot = &pools->buckets[bucket_of(member)];
    for (struct pool *pool = *slot; pool; pool = pool->next)
        if (pool->member == member)
            return pool;
    if (!make)
        return NULL;
    struct pool *pool = h2o_mem_alloc(sizeof *pool);
    *pool = (struct pool){ .member = member_ref(member), .next = *slot };
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
    pool_of(pools, origin->member, true)->count--;
}

void origin_close(struct origin *origin)
{
    unlink_origin(origin);
    h2o_socket_close(origin->sock);
    member_unref(origin->member);
    free(origin);
}

h2o_socket_t *origin_steal(struct origin *origin)
{
    h2o_socket_t *sock = origin->sock;
    h2o_socket_read_stop(sock);
    h2o_socket_dont_read(sock, 0);
    member_unref(origin->member);
    free(origin);
    return sock;
}

static void on_readable(h2o_socket_t *sock, const char *err)
{
    (void)err;
    struct origin *origin = sock->data;
    if (origin->user) {
        origin->user->readable(origin->self);
        return;
    }
    /* Kept: it can only have been closed, or say what nobody asked for. */
    if (clock_ms() - origin->idle_since < PROVEN_MS)
        origin->member->keeps = false;
    origin_close(origin);
}

static void on_connected(h2o_socket_t *sock, const char *err)
{
    struct origin *origin = sock->data;
    if (!err) {
        /* We read ourselves: h2o would read all that there is. */
        h2o_socket_dont_read(sock, 1);
        h2o_socket_read_start(sock, on_readable);
    }
    origin->user->connected(origin->self, err);
}

struct origin *origin_connect(struct loop *loop, struct member *member, const struct origin_user *user, void *self)
{
    struct sockaddr_storage address = member->address.socket;
    h2o_socket_t *sock = h2o_socket_connect(loop->ctx.loop, (struct sockaddr *)&address, member->address.size,
                                            on_connected);
    if (!sock)
        return NULL;
    struct origin *origin = h2o_mem_alloc(sizeof *origin);
    *origin = (struct origin){ .sock = sock, .loop = loop, .member = member_ref(member), .user = user, .self = self };
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

struct origin *origin_take(struct loop *loop, struct member *member, bool safe, const struct origin_user *user,
                           void *self)
{
    struct pool *pool = pool_of(loop->pools, member, false);
    struct origin *origin = pool ? pool->first : NULL;
    if (!origin || (safe && !safe_enough(origin, clock_ms())))
        return NULL;
    unlink_origin(origin);
    origin->user = user;
    origin->self = self;
    return origin;
}

void origin_keep(struct origin *origin)
{
    struct pools *pools = origin->loop->pools;
    struct pool *pool = pool_of(pools, origin->member, true);
    if (pool->count >= KEEP_MAX || origin->loop->stopping) {
        origin_close(origin);
        return;
    }
    if (origin->used && !atomic_load_explicit(&origin->member->keeps, memory_order_relaxed))
        origin->member->keeps = true;
    origin_resume(origin);
    origin->used = true;
    origin->user = NULL;
    origin->self = NULL;
    origin->idle_since = clock_ms();
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

void origin_write(struct origin *origin, h2o_iovec_t *parts, size_t count)
{
    h2o_socket_write(origin->sock, parts, count, on_written);
}

ssize_t origin_read(struct origin *origin, char *data, size_t room)
{
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
    if (origin->paused)
        h2o_socket_read_start(origin->sock, on_readable);
    origin->paused = false;
}

static void sweep_pool(struct pool *pool, int64_t now_ms)
{
    for (struct origin *origin = pool->first, *next; origin; origin = next) {
        next = origin->next;
        if (now_ms - origin->idle_since > KEEP_MS)
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
