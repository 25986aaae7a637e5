#include "http/connection.h"

#include "base/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { ACCEPT_AT_ONCE = 16 };

/* h2o keeps a few free pieces of memory for each thread and forgets them when it ends. */
const char *__lsan_default_suppressions(void);
__attribute__((weak)) const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle\n";
}

/* At the limit the kernel's queue holds who comes; reading goes on when one has left. */
static void listen_pause(struct loop *loop)
{
    for (size_t i = 0; i < loop->server->address_count; i++)
        h2o_socket_read_stop(loop->listeners[i]);
    loop->listening = false;
}

static bool accept_one(struct loop *loop, h2o_socket_t *listener)
{
    h2o_socket_t *sock = h2o_evloop_socket_accept(listener);
    if (!sock) {
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR && loop->listening)
            listen_pause(loop); /* out of descriptors or memory: better a second's rest than a loop that spins */
        return false;
    }
    h2o_accept(&loop->accept, sock);
    connection_begin(loop, sock);
    return true;
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
    struct loop *loop = listener->data;
    if (err)
        return;
    for (int i = 0; i < ACCEPT_AT_ONCE && loop->connection_count < loop->server->connections_max; i++)
        if (!accept_one(loop, listener))
            return;
    if (loop->connection_count >= loop->server->connections_max)
        listen_pause(loop);
}

static void listen_start(struct loop *loop)
{
    for (size_t i = 0; i < loop->server->address_count; i++)
        h2o_socket_read_start(loop->listeners[i], on_accept);
    loop->listening = true;
}

static void on_answers(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct loop *loop = H2O_STRUCT_FROM_MEMBER(struct loop, receiver, receiver);
    while (!h2o_linklist_is_empty(messages)) {
        h2o_multithread_message_t *message = H2O_STRUCT_FROM_MEMBER(h2o_multithread_message_t, link, messages->next);
        h2o_linklist_unlink(&message->link);
        struct http_job *job = H2O_STRUCT_FROM_MEMBER(struct http_job, message, message);
        loop->jobs--;
        job->with_worker = false;
        if (job->h2o)
            answer_send(job);
        else
            job_destroy(job);
    }
}

/* The secret's file is looked at here, not on every request. */
static void refresh_secret(struct loop *loop)
{
    const struct secret *secret = loop->server->options.edge_secret;
    if (!secret || !secret_given(secret))
        return;
    struct ctx ctx = { 0 };
    const char *value = secret_value(&ctx, secret);
    if (value && *value && (!loop->edge_secret || strcmp(value, loop->edge_secret) != 0)) {
        free(loop->edge_secret);
        loop->edge_secret = strdup(value);
    }
    ctx_finish(&ctx);
}

static void on_sweep(h2o_timeout_entry_t *entry)
{
    struct loop *loop = H2O_STRUCT_FROM_MEMBER(struct loop, sweep, entry);
    refresh_secret(loop);
    if (loop->stage >= STAGE_CUTTING)
        connections_cut(loop);
    else
        connections_sweep(loop);
    if (loop->stage == STAGE_RUNNING && !loop->listening && loop->connection_count < loop->server->connections_max)
        listen_start(loop);
    h2o_context_t *context = &loop->context;
    h2o_timeout_link(loop->evloop,
                     loop->stage == STAGE_RUNNING ? &context->one_sec_timeout : &context->hundred_ms_timeout, entry);
}

/* Who has connected already is served: closing the listener would reset them. */
static void listen_end(struct loop *loop)
{
    for (size_t i = 0; i < loop->server->address_count; i++) {
        while (accept_one(loop, loop->listeners[i]))
            continue;
        h2o_socket_close(loop->listeners[i]);
    }
    loop->listening = false;
}

static void enter(struct loop *loop, enum stage stage)
{
    if (loop->stage == STAGE_RUNNING) {
        loop->draining_since_ms = clock_ms();
        listen_end(loop);
        h2o_context_request_shutdown(&loop->context);
        h2o_timeout_unlink(&loop->sweep);
        h2o_timeout_link(loop->evloop, &loop->context.hundred_ms_timeout, &loop->sweep);
    }
    loop->stage = stage;
    if (stage >= STAGE_CUTTING)
        connections_cut(loop);
}

static bool is_idle(const struct loop *loop)
{
    return loop->jobs == 0 && loop->connection_count == 0;
}

static void tell(struct server *server, size_t *counter)
{
    pthread_mutex_lock(&server->lock);
    (*counter)++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void follow_stage(struct loop *loop)
{
    enum stage stage = (enum stage)atomic_load(&loop->server->stage);
    if (stage != loop->stage)
        enter(loop, stage);
    if (loop->stage != STAGE_RUNNING && !loop->told_idle && is_idle(loop)) {
        loop->told_idle = true;
        tell(loop->server, &loop->server->loops_idle);
    }
}

static void begin(struct loop *loop)
{
    struct server *server = loop->server;
    loop->evloop = h2o_evloop_create();
    h2o_context_init(&loop->context, loop->evloop, &server->config);
    loop->accept = (h2o_accept_ctx_t){ .ctx = &loop->context, .hosts = server->config.hosts };
    h2o_linklist_init_anchor(&loop->connections);
    h2o_multithread_register_receiver(loop->context.queue, &loop->receiver, on_answers);
    loop->answers = answers_create();
    ids_start(&loop->ids);
    refresh_secret(loop);
    for (size_t i = 0; i < server->address_count; i++) {
        int *fd = &server->listeners[loop->index * server->address_count + i];
        loop->listeners[i] = h2o_evloop_socket_create(loop->evloop, *fd, H2O_SOCKET_FLAG_DONT_READ);
        loop->listeners[i]->data = loop;
        *fd = -1;
    }
    listen_start(loop);
    loop->sweep.cb = on_sweep;
    h2o_timeout_link(loop->evloop, &loop->context.one_sec_timeout, &loop->sweep);
    tell(server, &server->loops_ready);
}

static void finish(struct loop *loop)
{
    while (atomic_load(&loop->senders) > 0) /* a message has come, and its sender has not left the queue yet */
        sched_yield();
    h2o_timeout_unlink(&loop->sweep);
    h2o_multithread_queue_t *queue = loop->context.queue;
    h2o_multithread_unregister_receiver(queue, &loop->receiver);
    h2o_context_dispose(&loop->context);
    h2o_evloop_run(loop->evloop, 0); /* what was closed last is freed here */
    h2o_evloop_destroy(loop->evloop);
    free(queue); /* which h2o_multithread_destroy_queue() leaves */
    answers_destroy(loop->answers);
    free(loop->edge_secret);
}

static void *run(void *self)
{
    struct loop *loop = self;
    begin(loop);
    while (loop->stage != STAGE_ENDING || !is_idle(loop)) {
        h2o_evloop_run(loop->evloop, 10000);
        follow_stage(loop);
    }
    finish(loop);
    return NULL;
}

bool loop_start(struct ctx *ctx, struct loop *loop)
{
    loop->listeners = arena_array(&loop->server->ctx.arena, h2o_socket_t *, loop->server->address_count);
    int error = pthread_create(&loop->thread, NULL, run, loop);
    if (error)
        return ctx_fail(ctx, ERROR_INTERNAL, "cannot start a thread: %s", strerror(error));
    char name[16];
    snprintf(name, sizeof name, "http-%u", (unsigned)loop->index % 1000);
    pthread_setname_np(loop->thread, name);
    return true;
}

void loop_enter(struct loop *loop)
{
    atomic_fetch_add(&loop->senders, 1);
}

void loop_leave(struct loop *loop)
{
    atomic_fetch_sub(&loop->senders, 1);
}

void loop_post(struct loop *loop, h2o_multithread_message_t *message)
{
    h2o_multithread_send_message(&loop->receiver, message);
}
