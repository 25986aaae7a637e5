#include "http/server_parts.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { LOOPS_DEFAULT_MAX = 4, LOOPS_MAX = 64, HEAD_MS = 10000, STALL_MS = 30000 };
/* Longer than the edge bears with a client: who listens to music stops for a while, and the edge is who says for how
 * long. */
enum { TAKE_MS = 90000 };

/* The library's, for all servers of a process: larger input lies in an unlinked file, not in memory. */
static void set_up_library(const char *spool_dir)
{
    h2o_buffer_mmap_settings_t *settings = &h2o_socket_buffer_mmap_settings;
    settings->threshold = SPOOLED_FROM;
    snprintf(settings->fn_template, sizeof settings->fn_template, "%s/tonearm-http.XXXXXX",
             spool_dir ? spool_dir : "/tmp");
}

static void configure(struct server *server)
{
    enum { REQUEST_MS = 15 * 60 * 1000 }; /* what is shorter is watched by connection.c */
    h2o_globalconf_t *config = &server->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(NULL, 0);
    config->max_request_entity_size = server->options.body_max + 1;
    config->http1.req_timeout = REQUEST_MS;
    config->http1.upgrade_to_http2 = 0;
    config->http2.callbacks = (h2o_protocol_callbacks_t){ 0 }; /* its shutdown leaves a timer behind */
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_handler_t *handler = h2o_create_handler(path, sizeof *handler);
    handler->on_req = request_begin;
    filter_register(host);
}

static size_t loops_wanted(const struct server_options *options)
{
    if (options->loops)
        return options->loops < LOOPS_MAX ? options->loops : LOOPS_MAX;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores < LOOPS_DEFAULT_MAX ? (size_t)cores : LOOPS_DEFAULT_MAX;
}

/* A quarter of the descriptors stays for files and other sockets. */
static size_t connections_wanted(const struct server_options *options)
{
    size_t wanted = options->connections ? options->connections : CONNECTIONS_DEFAULT;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY && wanted > files.rlim_cur / 4 * 3)
        wanted = files.rlim_cur / 4 * 3;
    return wanted;
}

static bool prepare(struct ctx *ctx, struct server *server)
{
    server->trusted = networks_parse(ctx, server->options.trusted_proxies);
    if (!server->trusted || !routes_gather(ctx, server) || !listeners_open(ctx, server))
        return false;
    server->readiness = readiness_create();
    counts_start(server);
    configure(server);
    return true;
}

static bool start_loops(struct ctx *ctx, struct server *server)
{
    for (size_t i = 0; i < server->loop_count; i++) {
        struct loop *loop = &server->loops[i];
        loop->server = server;
        loop->index = i;
        if (!loop_start(ctx, loop))
            return false;
        server->loops_running++;
    }
    return true;
}

static void wait_ready(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    while (server->loops_ready < server->loops_running)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static struct server *server_create(const struct server_options *options)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->options = *options;
    if (server->options.body_max < BODY_DEFAULT)
        server->options.body_max = BODY_DEFAULT;
    if (!server->options.head_ms)
        server->options.head_ms = HEAD_MS;
    if (!server->options.stall_ms)
        server->options.stall_ms = STALL_MS;
    if (!server->options.take_ms)
        server->options.take_ms = TAKE_MS;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&server->lock, NULL);
    server->loop_count = loops_wanted(options);
    size_t connections = connections_wanted(options) / server->loop_count;
    server->connections_max = connections ? connections : 1;
    server->loops = arena_array(&server->ctx.arena, struct loop, server->loop_count);
    return server;
}

struct server *server_start(struct ctx *ctx, const struct server_options *options)
{
    set_up_library(options->spool_dir);
    struct server *server = server_create(options);
    bool started = prepare(ctx, server) && start_loops(ctx, server);
    wait_ready(server);
    if (started)
        return server;
    server_destroy(server);
    return NULL;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

static void set_stage(struct server *server, enum stage stage)
{
    /* A loop that sees the new stage by itself may end at once: not before it has been woken. */
    for (size_t i = 0; i < server->loops_running; i++)
        loop_enter(&server->loops[i]);
    if (atomic_load(&server->stage) < (int)stage)
        atomic_store(&server->stage, (int)stage);
    for (size_t i = 0; i < server->loops_running; i++) {
        loop_post(&server->loops[i], NULL);
        loop_leave(&server->loops[i]);
    }
}

/* false: the time is up. */
static bool wait_idle(struct server *server, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    long nanoseconds = until.tv_nsec + timeout_ms % 1000 * 1000000L;
    until.tv_sec += timeout_ms / 1000 + nanoseconds / 1000000000L;
    until.tv_nsec = nanoseconds % 1000000000L;
    bool in_time = true;
    pthread_mutex_lock(&server->lock);
    while (server->loops_idle < server->loops_running && in_time)
        in_time = pthread_cond_timedwait(&server->changed, &server->lock, &until) == 0;
    pthread_mutex_unlock(&server->lock);
    return in_time;
}

void server_stop(struct server *server, int timeout_ms)
{
    set_stage(server, STAGE_DRAINING);
    if (!wait_idle(server, timeout_ms))
        set_stage(server, STAGE_CUTTING);
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    set_stage(server, STAGE_ENDING);
    for (size_t i = 0; i < server->loops_running; i++)
        pthread_join(server->loops[i].thread, NULL);
    listeners_close(server);
    if (server->config.hosts)
        h2o_config_dispose(&server->config);
    readiness_destroy(server->readiness);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    ctx_finish(&server->ctx);
    free(server);
}

void answers_drop(struct server *server, const char *cache)
{
    for (size_t i = 0; i < server->cache_count; i++)
        if (strcmp(server->cache_names[i], cache) == 0)
            atomic_fetch_add(&server->generations[i], 1);
}
