#include "edge.h"

#include "base/clock.h"
#include "base/log.h"
#include "contract/process.h"
#include "discovery.h"
#include "edge_admin.h"
#include "edge_listen.h"
#include "edge_metrics.h"
#include "edge_tls.h"
#include "exchange.h"
#include "key_cache.h"
#include "must.h"
#include "nats/feed.h"

#include <unistd.h>

enum {
    FEED_KEEP_MS = 20 * 60 * 1000, /* longer than a key is served on without auth */
    SPOOL_FROM = 1 << 20,
    HTTP1_TIMEOUT_MS = 3600 * 1000, /* conn.c has finer ones */
};

static void take_over(h2o_pathconf_t *path, int (*on_req)(h2o_handler_t *, h2o_req_t *))
{
    /* h2o's chunked filter knows no status but 200, and HTTP/1.0 not at all: exchange.c does it. */
    for (size_t i = 0; i < path->filters.size; i++)
        free(path->filters.entries[i]);
    path->filters.size = 0;
    path->error_log.emit_request_errors = 0;
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_req;
}

static void configure(h2o_globalconf_t *global, int64_t body_max, int64_t drain_ms,
                      int (*on_req)(h2o_handler_t *, h2o_req_t *))
{
    h2o_config_init(global);
    global->server_name = h2o_iovec_init("", 0);
    /* One byte more than is allowed is answered, a flood is not: HTTP/2 can only be reset. */
    global->max_request_entity_size = (size_t)body_max * 2 + 1;
    global->http1.req_timeout = HTTP1_TIMEOUT_MS;
    global->http1.upgrade_to_http2 = 0;
    global->http2.idle_timeout = IDLE_MS;
    global->http2.graceful_shutdown_timeout = (uint64_t)drain_ms;
    h2o_hostconf_t *host = h2o_config_register_host(global, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    take_over(h2o_config_register_path(host, "/", 0), on_req);
    take_over(&host->fallback_path, on_req);
}

/* Bodies of more than a mebibyte lie in files, in TMPDIR. */
static void choose_spool(void)
{
    h2o_buffer_mmap_settings_t *settings = &h2o_socket_buffer_mmap_settings;
    const char *dir = getenv("TMPDIR");
    settings->threshold = SPOOL_FROM;
    if (dir && *dir && strlen(dir) + sizeof "/tonearm.XXXXXX" <= sizeof settings->fn_template)
        snprintf(settings->fn_template, sizeof settings->fn_template, "%s/tonearm.XXXXXX", dir);
}

/* NATS */

static void on_connected(void *self)
{
    struct edge *edge = self;
    if (edge->keys)
        key_cache_doubt(edge->keys);
    if (edge->discovery)
        discovery_hurry(edge->discovery);
}

static void on_lost(void *self)
{
    key_cache_doubt(((struct edge *)self)->keys);
}

static bool start_nats(struct ctx *ctx, struct edge *edge)
{
    const struct edge_settings *settings = edge->settings;
    if (!settings->nats_url || !*settings->nats_url)
        return true;
    struct bus_options options = { .url = settings->nats_url,
                                   .name = "edge",
                                   .instance = edge->instance,
                                   .password = secret_given(&settings->nats_password) ? &settings->nats_password : NULL,
                                   .creds_file = settings->nats_creds,
                                   .ca_file = settings->nats_ca,
                                   .queue = 4096,
                                   .connected = on_connected,
                                   .self = edge };
    edge->bus = bus_open(ctx, &options);
    if (!edge->bus)
        return false;
    edge->keys = key_cache_create(edge->bus);
    struct feed_options feed = { .bus = edge->bus, .keep_ms = FEED_KEEP_MS, .lost = on_lost, .self = edge };
    edge->feed = feed_open(ctx, &feed);
    if (!edge->feed)
        return false;
    key_cache_follow(edge->keys, edge->feed);
    return true;
}

/* Configurations */

struct use_message {
    struct message message;
    struct config *config;
    struct ssl_ctx_st *tls;
};

static void on_use(struct loop *loop, struct message *message)
{
    struct use_message *use = (struct use_message *)message;
    struct config *old = loop->config;
    loop->config = use->config;
    if (use->tls) {
        edge_tls_free(loop->tls);
        loop->tls = use->tls;
    }
    config_unref(old);
    free(use);
}

static void send_use(struct loop *loop, struct config *config, struct ssl_ctx_st *tls)
{
    struct use_message *use = must(calloc(1, sizeof *use));
    *use = (struct use_message){ { .run = on_use }, config_ref(config), edge_tls_ref(tls) };
    loop_send(loop, &use->message);
}

static void use(struct edge *edge, struct config *config, struct ssl_ctx_st *tls)
{
    discovery_use(edge->discovery, config);
    pthread_mutex_lock(&edge->lock);
    struct config *old = edge->config;
    edge->config = config_ref(config);
    for (size_t i = 0; i < edge->loop_count; i++)
        send_use(edge->loops[i], config, tls);
    pthread_mutex_unlock(&edge->lock);
    config_unref(old);
}

void edge_use(struct edge *edge, struct config *config)
{
    use(edge, config, NULL);
}

struct config *edge_config(struct edge *edge)
{
    pthread_mutex_lock(&edge->lock);
    struct config *config = config_ref(edge->config);
    pthread_mutex_unlock(&edge->lock);
    return config;
}

static void log_faults(struct faults *faults)
{
    struct buf text = BUF(faults->arena);
    faults_write(faults, &text);
    log_error(NULL, "the configuration was not taken: the one before it stays", "faults", text.data);
}

static bool wants(const char *setting)
{
    return setting && *setting;
}

void edge_reload(struct edge *edge)
{
    struct ctx ctx = { 0 };
    struct faults faults = FAULTS(&ctx.arena, edge->settings->config);
    struct config *config = config_read_file(&faults, edge->settings->config);
    struct ssl_ctx_st *tls = NULL;
    if (!config)
        log_faults(&faults);
    if (config && wants(edge->settings->tls_listen) &&
        !(tls = edge_tls_create(&ctx, edge->settings->tls_cert, edge->settings->tls_key)))
        log_failure(LOG_ERROR, &ctx, "the certificate was not taken: the one before it stays");
    if (config) {
        use(edge, config, tls);
        log_info(&ctx, "the configuration was read again", "file", edge->settings->config);
    }
    edge_tls_free(tls);
    config_unref(config);
    ctx_finish(&ctx);
}

/* Start and stop */

static void make_loops(struct edge *edge)
{
    edge->loops = must(calloc(edge->loop_count, sizeof *edge->loops));
    for (size_t i = 0; i < edge->loop_count; i++)
        edge->loops[i] = loop_create(edge, i, "edge", &edge->global);
}

static bool listen_on_all(struct ctx *ctx, struct edge *edge)
{
    const struct edge_settings *settings = edge->settings;
    if (wants(settings->listen) && !edge_listen(ctx, edge->loops, edge->loop_count, settings->listen, false))
        return false;
    if (wants(settings->tls_listen)) {
        struct ssl_ctx_st *tls = edge_tls_create(ctx, settings->tls_cert, settings->tls_key);
        for (size_t i = 0; tls && i < edge->loop_count; i++)
            edge->loops[i]->tls = edge_tls_ref(tls);
        edge_tls_free(tls);
        if (!tls || !edge_listen(ctx, edge->loops, edge->loop_count, settings->tls_listen, true))
            return false;
    }
    if (!wants(settings->admin_listen))
        return true;
    edge->admin = loop_create(edge, 0, "admin", &edge->admin_global);
    return edge_listen(ctx, &edge->admin, 1, settings->admin_listen, false);
}

static void first_config(struct edge *edge, struct config *config)
{
    discovery_use(edge->discovery, config);
    edge->config = config_ref(config);
    for (size_t i = 0; i < edge->loop_count; i++)
        edge->loops[i]->config = config_ref(config);
}

static struct edge *edge_create(struct ctx *ctx, const struct edge_settings *settings)
{
    struct edge *edge = must(calloc(1, sizeof *edge));
    edge->settings = settings;
    edge->instance = process_instance(&ctx->arena);
    edge->started_ms = clock_now_ms();
    edge->loop_count = settings->threads ? (size_t)settings->threads : (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    pthread_mutex_init(&edge->lock, NULL);
    limits_init(&edge->limits, settings->body_max);
    choose_spool();
    configure(&edge->global, settings->body_max, settings->drain_ms, exchange_on_req);
    configure(&edge->admin_global, EDGE_ADMIN_BODY_MAX, settings->drain_ms, edge_admin_on_req);
    edge->metrics = edge_metrics_create(edge);
    return edge;
}

static bool start_parts(struct ctx *ctx, struct edge *edge, struct config *config)
{
    struct nets nets;
    if (!nets_parse(edge->settings->member_nets, &nets))
        return ctx_fail(ctx, ERROR_INVALID, "EDGE_MEMBER_NETS: is no list of CIDRs");
    if (secret_given(&edge->settings->edge_secret) && !(edge->secret = secret_value(ctx, &edge->settings->edge_secret)))
        return false;
    if (!start_nats(ctx, edge))
        return false;
    edge->discovery = discovery_create(ctx, edge->bus, &nets, edge->loop_count);
    if (!edge->discovery)
        return false;
    make_loops(edge);
    first_config(edge, config);
    return listen_on_all(ctx, edge);
}

struct edge *edge_start(struct ctx *ctx, const struct edge_settings *settings, struct config *config)
{
    struct edge *edge = edge_create(ctx, settings);
    if (!start_parts(ctx, edge, config)) {
        edge_stop(edge);
        return NULL;
    }
    for (size_t i = 0; i < edge->loop_count; i++)
        loop_launch(edge->loops[i]);
    if (edge->admin)
        loop_launch(edge->admin);
    return edge;
}

static void drain_loops(struct edge *edge)
{
    for (size_t i = 0; edge->loops && i < edge->loop_count; i++)
        loop_stop(edge->loops[i], edge->settings->drain_ms);
    for (size_t i = 0; edge->loops && i < edge->loop_count; i++)
        loop_drain(edge->loops[i]);
    /* The admin's side answers until the end. */
    loop_stop(edge->admin, 0);
    loop_drain(edge->admin);
}

static void free_loops(struct edge *edge)
{
    for (size_t i = 0; edge->loops && i < edge->loop_count; i++)
        loop_free(edge->loops[i]);
    loop_free(edge->admin);
    free(edge->loops);
}

void edge_stop(struct edge *edge)
{
    drain_loops(edge);
    if (edge->discovery)
        discovery_stop(edge->discovery);
    if (edge->feed)
        feed_close(edge->feed);
    /* Questions that are still open are answered with "away", to loops that are there still. */
    if (edge->bus)
        bus_close(edge->bus, 1000);
    free_loops(edge);
    discovery_destroy(edge->discovery);
    key_cache_destroy(edge->keys);
    edge_metrics_destroy(edge->metrics);
    config_unref(edge->config);
    h2o_config_dispose(&edge->global);
    h2o_config_dispose(&edge->admin_global);
    pthread_mutex_destroy(&edge->lock);
    free(edge);
}
