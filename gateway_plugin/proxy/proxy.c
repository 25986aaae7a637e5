#include "proxy/proxy_parts.h"

#include "base/log.h"
#include "process/edge.h"
#include "member/hash_on.h"

#include <errno.h>

enum { SLICE = 256 * 1024 };

static void on_connected(void *self, bool failed);
static void on_written(void *self, bool failed);

static const struct origin_user callbacks = { on_connected, proxy_on_readable, on_written };

const struct kong_service *proxy_service(const struct exchange *x)
{
    return x->route->service;
}

void proxy_set_deadline(struct exchange *x, int64_t timeout_ms)
{
    x->proxy.deadline = loop_now(x->loop) + timeout_ms;
}

void proxy_close_origin(struct exchange *x)
{
    if (x->proxy.origin)
        origin_close(x->proxy.origin);
    x->proxy.origin = NULL;
    x->proxy.deadline = 0;
}

static void drop_member(struct exchange *x)
{
    if (x->proxy.member)
        atomic_fetch_sub_explicit(&x->proxy.member->active, 1, memory_order_relaxed);
    member_unref(x->proxy.member);
    x->proxy.member = NULL;
}

void proxy_report(struct exchange *x, enum outcome outcome, int status)
{
    member_report(x->proxy.member, outcome, status, x->loop->edge->index + x->loop->index, loop_now(x->loop));
}

void proxy_finish(struct exchange *x)
{
    proxy_close_origin(x);
    drop_member(x);
    if (x->proxy.block)
        loop_block_free(x->loop, x->proxy.block);
    x->proxy.block = NULL;
}

/* Sending */

static void write_slice(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    h2o_iovec_t parts[2];
    size_t count = 0, left = x->req->entity.len - proxy->body_sent, slice = left < SLICE ? left : SLICE;
    if (proxy->head.len)
        parts[count++] = proxy->head;
    if (slice)
        parts[count++] = h2o_iovec_init(x->req->entity.base + proxy->body_sent, slice);
    proxy->head.len = 0;
    proxy->body_sent += slice;
    proxy->all_sent = slice == left;
    proxy->writing = true;
    proxy_set_deadline(x, proxy_service(x)->write_timeout);
    origin_write(proxy->origin, parts, count);
}

/* true: that was all. A head without a body mostly goes at once, from memory that the next request uses again. */
static bool send_head(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    struct block *scratch = loop_block(x->loop);
    h2o_iovec_t head = forward_request(x, proxy->member, scratch->data, sizeof scratch->data);
    size_t sent = x->req->entity.len ? 0 : origin_send(proxy->origin, head.base, head.len);
    bool all = sent == head.len;
    proxy->all_sent = all;
    proxy->head = all ? (h2o_iovec_t){ 0 } : h2o_strdup(&x->req->pool, head.base + sent, head.len - sent);
    loop_block_free(x->loop, scratch);
    return all;
}

static void on_written(void *self, bool failed)
{
    struct exchange *x = self;
    struct proxy *proxy = &x->proxy;
    proxy->writing = false;
    /* The member may have answered before it closed: what can be read decides. */
    if (failed)
        proxy->stopped = true;
    if (proxy->all_sent || proxy->stopped)
        proxy_set_deadline(x, proxy_service(x)->read_timeout);
    else
        write_slice(x);
}

static void send_request(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    proxy->connecting = false;
    proxy->body_sent = 0;
    proxy->stopped = false;
    proxy->interims = 0;
    proxy->start = proxy->end = proxy->in_flight = 0;
    proxy->asked_us = loop_now_us(x->loop);
    if (send_head(x))
        on_written(x, false);
    else
        write_slice(x);
}

/* Whom to ask */

void proxy_fail(struct exchange *x, int status, const char *message)
{
    if (loop_may_log(x->loop))
        log_warn(NULL, message, "requestId", x->request_id, "service", proxy_service(x)->name, "member",
                 x->proxy.member ? x->proxy.member->name : "none");
    proxy_finish(x);
    exchange_refuse(x, status, message);
}

/* Nobody has descriptors any more: no other member can be asked either. */
static bool out_of_descriptors(const struct exchange *x)
{
    return !x->proxy.origin && (errno == EMFILE || errno == ENFILE);
}

/* false: the member cannot be connected to. */
static bool connect_member(struct exchange *x, bool fresh)
{
    struct proxy *proxy = &x->proxy;
    const struct kong_service *service = proxy_service(x);
    const char *name = service->upstream->tls_name;
    struct peer peer = { proxy->member, service->tls, name ? name : proxy->member->host };
    if (!fresh)
        proxy->origin = origin_take(x->loop, &peer, !x->idempotent, &callbacks, x);
    if (proxy->origin) {
        send_request(x);
        return true;
    }
    proxy->origin = origin_connect(x->loop, &peer, &callbacks, x);
    proxy->connecting = proxy->origin;
    if (out_of_descriptors(x)) {
        proxy_fail(x, 503, "too many requests at a time");
        return true;
    }
    proxy_set_deadline(x, proxy_service(x)->connect_timeout);
    return proxy->origin;
}

static struct member *pick(struct exchange *x)
{
    const struct proxy *proxy = &x->proxy;
    struct wish wish = { .loop = x->loop->index,
                         .tried = proxy->tried,
                         .tried_count = proxy->tried_count,
                         .now_ms = loop_now(x->loop),
                         .hashed = proxy->hashed,
                         .hash = proxy->hash };
    struct member *member = upstream_pick(proxy_service(x)->upstream->live, &wish);
    if (member)
        atomic_fetch_add_explicit(&member->active, 1, memory_order_relaxed);
    return member;
}

static void note_try(struct exchange *x)
{
    struct tried *tried = &x->tries[x->proxy.tried_count];
    const struct address *address = &x->proxy.member->address;
    memcpy(&tried->socket, &address->socket,
           address->size < sizeof tried->socket ? address->size : sizeof tried->socket);
    tried->at_us = loop_now_us(x->loop);
}

/* The balancer's next pick, and the next, until one can be connected to or at least tried. */
static void ask_next(struct exchange *x, int status, const char *message)
{
    struct proxy *proxy = &x->proxy;
    while (proxy->attempts <= proxy_service(x)->retries && proxy->tried_count < TRIED_MAX) {
        drop_member(x);
        proxy->member = pick(x);
        if (!proxy->member)
            break;
        note_try(x);
        proxy->tried[proxy->tried_count++] = proxy->member;
        proxy->attempts++;
        if (connect_member(x, false))
            return;
        proxy_report(x, OUTCOME_CONNECT_FAILED, 0);
    }
    proxy_fail(x, status, message);
}

void proxy_start(struct exchange *x)
{
    x->proxy.hashed = hash_of_request(x, &x->proxy.hash);
    ask_next(x, 503, "the service has no member that can be asked");
}

static void connect_failed(struct exchange *x)
{
    proxy_report(x, OUTCOME_CONNECT_FAILED, 0);
    proxy_close_origin(x);
    ask_next(x, 503, "the service cannot be reached");
}

static void on_connected(void *self, bool failed)
{
    struct exchange *x = self;
    if (failed)
        connect_failed(x);
    else
        send_request(x);
}

void proxy_no_answer(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    bool kept = origin_used(proxy->origin);
    if (kept)
        proxy->member->keeps = false;
    else
        proxy_report(x, OUTCOME_BROKEN, 0);
    proxy_close_origin(x);
    if (!x->idempotent) {
        proxy_fail(x, 502, "the service closed the connection without an answer");
    } else if (kept) {
        if (!connect_member(x, true))
            connect_failed(x);
    } else {
        ask_next(x, 502, "the service closed the connection without an answer");
    }
}

void proxy_timeout(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    if (proxy->connecting) {
        connect_failed(x);
        return;
    }
    proxy_report(x, OUTCOME_TIMED_OUT, 0);
    if (!x->started) {
        proxy_fail(x, 504, "the service did not answer in time");
        return;
    }
    proxy_close_origin(x);
    proxy->broken = true;
    if (!x->sending)
        exchange_send(x, NULL, 0, H2O_SEND_STATE_ERROR);
}
