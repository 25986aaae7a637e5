#include "process/loop.h"

#include "base/clock.h"
#include "base/random.h"
#include "process/body_spool.h"
#include "client/conn.h"
#include "process/edge.h"
#include "process/edge_tls.h"
#include "exchange/exchange.h"
#include "proxy/origin.h"
#include "plugins/cache_refresh.h"
#include "credential/proofs.h"
#include "proxy/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>

enum { ACCEPTS = 32, BLOCKS_KEPT = 128, TICK_MS = 100, ADMIN_CONNS = 32, LINES_A_SECOND = 20 };

uint64_t loop_random(struct loop *loop)
{
    /* xoroshiro128+ (Blackman and Vigna) */
    uint64_t a = loop->random[0], b = loop->random[1], out = a + b;
    b ^= a;
    loop->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    loop->random[1] = b << 37 | b >> 27;
    return out;
}

void loop_uuid(struct loop *loop, char out[UUID_TEXT + 1])
{
    uint64_t a = loop_random(loop), b = loop_random(loop);
    snprintf(out, UUID_TEXT + 1, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xfff), (unsigned)(b >> 48 & 0x3fff) | 0x8000, (unsigned long long)(b & 0xffffffffffff));
}

int64_t loop_now_us(struct loop *loop)
{
    if (!loop->now_us)
        loop->now_us = clock_us();
    return loop->now_us;
}

int64_t loop_now(struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

bool loop_may_log(struct loop *loop)
{
    int64_t second = loop_now(loop) / 1000;
    if (loop->log_second != second)
        loop->logged = 0;
    loop->log_second = second;
    return loop->logged++ < LINES_A_SECOND;
}

struct block *loop_block(struct loop *loop)
{
    struct block *block = loop->blocks;
    if (!block)
        return h2o_mem_alloc(sizeof *block);
    loop->blocks = block->next;
    loop->block_count--;
    return block;
}

void loop_block_free(struct loop *loop, struct block *block)
{
    if (!block)
        return;
    if (loop->block_count >= BLOCKS_KEPT) {
        free(block);
        return;
    }
    block->next = loop->blocks;
    loop->blocks = block;
    loop->block_count++;
}

/* The admin's side has room of its own: the operator gets in when nobody else does. */
bool loop_take_room(struct loop *loop)
{
    return loop == loop->edge->admin ? loop->conn_count < ADMIN_CONNS : limits_conn_take(loop->edge->limits);
}

void loop_give_room(struct loop *loop)
{
    if (loop != loop->edge->admin)
        limits_conn_give(loop->edge->limits);
}

/* Until the next tick. The kernel keeps what we do not take. */
static void pause_listener(struct listener *listener)
{
    h2o_socket_read_stop(listener->sock);
    listener->paused = true;
}

/* false: there is none, or no room for one. */
static bool accept_one(struct listener *listener)
{
    struct loop *loop = listener->loop;
    struct limits *limits = loop->edge->limits;
    if (!loop_take_room(loop)) {
        pause_listener(listener);
        return false;
    }
    h2o_socket_t *one = h2o_evloop_socket_accept(listener->sock);
    if (!one) {
        /* The system's descriptors may run out before ours do: who waits would wake us again and again. */
        bool none_left = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        loop_give_room(loop);
        if (none_left)
            pause_listener(listener);
        return false;
    }
    atomic_fetch_add_explicit(&limits->accepted, 1, memory_order_relaxed);
    conn_accept(loop, one, listener->tls);
    return true;
}

static void on_accept(h2o_socket_t *sock, const char *err)
{
    for (int i = 0; !err && i < ACCEPTS; i++)
        if (!accept_one(sock->data))
            return;
}

static void resume_listeners(struct loop *loop)
{
    for (struct listener *listener = loop->listeners; listener; listener = listener->next) {
        if (!listener->paused)
            continue;
        listener->paused = false;
        h2o_socket_read_start(listener->sock, on_accept);
    }
}

static void close_listeners(struct loop *loop)
{
    while (loop->listeners) {
        struct listener *listener = loop->listeners;
        loop->listeners = listener->next;
        if (listener->sock) {
            /* Those that wait in the kernel's queue would be reset. */
            while (accept_one(listener))
                continue;
            h2o_socket_close(listener->sock);
        } else {
            close(listener->fd);
        }
        free(listener);
    }
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct loop *loop = H2O_STRUCT_FROM_MEMBER(struct loop, tick, entry);
    int64_t now_ms = loop_now(loop);
    conn_sweep(loop, now_ms);
    exchange_sweep(loop, now_ms);
    pools_sweep(loop->pools, now_ms);
    cache_refresh_sweep(loop, now_ms);
    if (loop->edge->cache && !loop->index)
        answer_cache_sweep(loop->edge->cache, now_ms);
    resume_listeners(loop);
    body_spool_look();
    h2o_timeout_link(loop->ctx.loop, &loop->ctx.hundred_ms_timeout, &loop->tick);
}

static void on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct loop *loop = H2O_STRUCT_FROM_MEMBER(struct loop, receiver, receiver);
    while (!h2o_linklist_is_empty(messages)) {
        struct message *message = H2O_STRUCT_FROM_MEMBER(struct message, super.link, messages->next);
        h2o_linklist_unlink(&message->super.link);
        message->run(loop, message);
    }
}

void loop_send(struct loop *loop, struct message *message)
{
    message->super.link = (h2o_linklist_t){ 0 };
    h2o_multithread_send_message(&loop->receiver, &message->super);
}

struct loop *loop_create(struct edge *edge, size_t index, const char *name, h2o_globalconf_t *global)
{
    struct loop *loop = h2o_mem_alloc(sizeof *loop);
    memset(loop, 0, sizeof *loop);
    loop->edge = edge;
    loop->index = index;
    loop->name = name;
    loop->global = global;
    loop->hosts[0] = global->hosts[0];
    loop->flatten = h2_flatten_of_h2o();
    random_bytes(loop->random, sizeof loop->random);
    loop_uuid(loop, loop->uuid);
    sem_init(&loop->ready, 0, 0);
    sem_init(&loop->drained, 0, 0);
    h2o_linklist_init_anchor(&loop->conns);
    h2o_linklist_init_anchor(&loop->finished);
    h2o_linklist_init_anchor(&loop->silent);
    h2o_linklist_init_anchor(&loop->waiting);
    h2o_linklist_init_anchor(&loop->exchanges);
    h2o_linklist_init_anchor(&loop->refreshes);
    return loop;
}

void loop_listen(struct loop *loop, int fd, bool tls)
{
    struct listener *listener = h2o_mem_alloc(sizeof *listener);
    *listener = (struct listener){ .loop = loop, .fd = fd, .tls = tls, .next = loop->listeners };
    loop->listeners = listener;
}

static void set_up(struct loop *loop)
{
    h2o_context_init(&loop->ctx, h2o_evloop_create(), loop->global);
    h2o_multithread_register_receiver(loop->ctx.queue, &loop->receiver, on_messages);
    loop->pools = pools_create(loop);
    h2o_timeout_init(loop->ctx.loop, &loop->tunnel_timeout, TUNNEL_MS);
    loop->tick.cb = on_tick;
    h2o_timeout_link(loop->ctx.loop, &loop->ctx.hundred_ms_timeout, &loop->tick);
    for (struct listener *listener = loop->listeners; listener; listener = listener->next) {
        listener->sock = h2o_evloop_socket_create(loop->ctx.loop, listener->fd, H2O_SOCKET_FLAG_DONT_READ);
        listener->sock->data = listener;
        h2o_socket_read_start(listener->sock, on_accept);
    }
}

static void tear_down(struct loop *loop)
{
    cache_refresh_stop(loop);
    pools_destroy(loop->pools);
    proofs_destroy(loop->proofs);
    h2o_timeout_unlink(&loop->tick);
    h2o_timeout_unlink(&loop->ctx.http2._graceful_shutdown_timeout);
    h2o_evloop_run(loop->ctx.loop, 0); /* the last messages; sockets that were closed are freed */
    conn_after_run(loop);
    h2o_multithread_unregister_receiver(loop->ctx.queue, &loop->receiver);
    h2o_timeout_dispose(loop->ctx.loop, &loop->tunnel_timeout);
    h2o_loop_t *evloop = loop->ctx.loop;
    h2o_multithread_queue_t *queue = loop->ctx.queue;
    h2o_context_dispose(&loop->ctx);
    h2o_evloop_destroy(evloop);
    free(queue); /* which h2o_multithread_destroy_queue() leaves */
    while (loop->blocks) {
        struct block *block = loop->blocks;
        loop->blocks = block->next;
        free(block);
    }
}

static void *run(void *self)
{
    struct loop *loop = self;
    pthread_setname_np(pthread_self(), loop->name);
    set_up(loop);
    sem_post(&loop->ready);
    while (!loop->ending) {
        h2o_evloop_run(loop->ctx.loop, h2o_linklist_is_empty(&loop->waiting) ? TICK_MS : 0);
        loop->now_us = 0;
        conn_after_run(loop);
        if (loop->stopping && !loop->conn_count && !loop->quiet) {
            loop->quiet = true;
            sem_post(&loop->drained);
        }
    }
    tear_down(loop);
    return NULL;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

void loop_launch(struct loop *loop)
{
    h2o_multithread_create_thread(&loop->thread, NULL, run, loop);
    wait_for(&loop->ready);
    loop->started = true;
}

struct stop_message {
    struct message message;
    int64_t drain_ms;
};

/* h2o does it once, for those that are there then. */
void loop_say_goaway(struct loop *loop)
{
    h2o_timeout_unlink(&loop->ctx.http2._graceful_shutdown_timeout);
    loop->ctx.http2._graceful_shutdown_timeout.cb = NULL;
    h2o_context_request_shutdown(&loop->ctx);
}

static void on_stop(struct loop *loop, struct message *message)
{
    struct stop_message *stop = (struct stop_message *)message;
    if (!loop->stopping) {
        loop->stopping = true;
        loop->stopping_since = clock_ms();
        loop->stop_at = loop->stopping_since + stop->drain_ms;
        close_listeners(loop);
        loop_say_goaway(loop);
    }
    free(stop);
}

void loop_stop(struct loop *loop, int64_t drain_ms)
{
    if (!loop || !loop->started)
        return;
    struct stop_message *stop = h2o_mem_alloc(sizeof *stop);
    *stop = (struct stop_message){ { .run = on_stop }, drain_ms };
    loop_send(loop, &stop->message);
}

void loop_drain(struct loop *loop)
{
    if (loop && loop->started)
        wait_for(&loop->drained);
}

static void on_end(struct loop *loop, struct message *message)
{
    loop->ending = true;
    free(message);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->started) {
        struct message *end = h2o_mem_alloc(sizeof *end);
        *end = (struct message){ .run = on_end };
        loop_send(loop, end);
        pthread_join(loop->thread, NULL);
    }
    close_listeners(loop);
    config_unref(loop->config);
    edge_tls_free(loop->tls);
    free(loop->kong_memo);
    sem_destroy(&loop->ready);
    sem_destroy(&loop->drained);
    free(loop);
}
