#include "process/edge.h"

#include "logs/access_log.h"
#include "credential/auth_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "process/body_spool.h"
#include "member/checker.h"
#include "contract/process.h"
#include "member/discovery.h"
#include "admin/edge_admin.h"
#include "process/edge_listen.h"
#include "process/edge_tls.h"
#include "exchange/exchange.h"
#include "apikey/key_cache.h"
#include "limiting/limit_link.h"
#include "must.h"
#include "nats/feed.h"
#include "credential/verifier.h"

#include <unistd.h>

enum {
    FEED_KEEP_MS = 20 * 60 * 1000, /* longer than a key is served on without auth */
    SETTLE_MS = 1000,
    LINK_MS = 1000,                 /* for a Redis that is new in a configuration */
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

static void on_revoked(void *self, enum revoked kind, const char *id, int64_t version)
{
    (void)version;
    if (kind == REVOKED_SESSION)
        auth_keys_revoke(((struct edge *)self)->auth_keys, id);
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
    edge->keys = key_cache_create(edge->bus, edge->shared->rates, edge->shared->answers, &edge->slot->keys);
    edge->auth_keys = auth_keys_create(edge->bus);
    struct feed_options feed = {
        .bus = edge->bus, .keep_ms = FEED_KEEP_MS, .changed = on_revoked, .lost = on_lost, .self = edge
    };
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

static void attach(struct edge *edge, struct config *config)
{
    config_attach(config, edge);
    limit_links_settle(edge->limit_links, LINK_MS);
}

/* New names are looked up before requests need them. */
static void wait_for_names(const struct edge *edge)
{
    for (int64_t until = clock_ms() + SETTLE_MS; !discovery_resolved(edge->discovery) && clock_ms() < until;)
        usleep(1000);
}

static void use(struct edge *edge, struct config *config, struct ssl_ctx_st *tls)
{
    discovery_use(edge->discovery, config);
    wait_for_names(edge);
    attach(edge, config);
    pthread_mutex_lock(&edge->lock);
    struct config *old = edge->config;
    edge->config = config_ref(config);
    for (size_t i = 0; i < edge->loop_count; i++)
        send_use(edge->loops[i], config, tls);
    pthread_mutex_unlock(&edge->lock);
    config_unref(old);
}

struct config *edge_config(struct edge *edge)
{
    pthread_mutex_lock(&edge->lock);
    struct config *config = config_ref(edge->config);
    pthread_mutex_unlock(&edge->lock);
    return config;
}

static bool wants(const char *setting)
{
    return setting && *setting;
}

static struct ssl_ctx_st *make_tls(struct ctx *ctx, struct edge *edge, const struct config *config)
{
    struct tls_wanted wanted = { .certificate_files = edge->settings->tls_cert,
                                 .key_files = edge->settings->tls_key,
                                 .config = config,
                                 .tickets = edge_shared_tickets(edge->shared),
                                 .index = edge->tls_index };
    return edge_tls_create(ctx, &wanted);
}

/* Those of the configuration, and the files as they are now. NULL: what there is stays. */
static struct ssl_ctx_st *new_certificates(struct edge *edge, const struct config *config)
{
    struct ssl_ctx_st *tls = NULL;
    struct ctx ctx = { 0 };
    if (wants(edge->settings->tls_listen) && !(tls = make_tls(&ctx, edge, config)))
        log_failure(LOG_ERROR, &ctx, "the certificates were not taken: those before them stay");
    ctx_finish(&ctx);
    return tls;
}

void edge_take_config(struct edge *edge)
{
    uint64_t generation;
    if (edge->shared->config->generation == edge->slot->generation)
        return;
    struct config *config = edge_shared_config(edge->shared, &generation);
    if (config) {
        struct ssl_ctx_st *tls = new_certificates(edge, config);
        use(edge, config, tls);
        edge_tls_free(tls);
    }
    edge->slot->generation = generation;
    config_unref(config);
}

void edge_look_at_logs(struct edge *edge)
{
    uint64_t hangups = edge->shared->hangups;
    if (hangups != edge->hangups)
        access_log_reopen(edge->log);
    edge->hangups = hangups;
}

void edge_tell(struct edge *edge)
{
    limit_links_sweep(edge->limit_links);
    edge->slot->bus_up = edge->bus && bus_up(edge->bus);
    edge->slot->feed_whole = edge->feed && feed_whole(edge->feed);
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
        struct ssl_ctx_st *tls = make_tls(ctx, edge, edge->config);
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

static bool first_config(struct ctx *ctx, struct edge *edge)
{
    uint64_t generation;
    struct config *config = edge_shared_config(edge->shared, &generation);
    if (!config)
        return ctx_fail(ctx, ERROR_INVALID, "the configuration cannot be read");
    edge->slot->generation = generation;
    discovery_use(edge->discovery, config);
    attach(edge, config);
    edge->config = config;
    for (size_t i = 0; i < edge->loop_count; i++)
        edge->loops[i]->config = config_ref(config);
    return true;
}

/* Who listens at once answers 503 until NATS has been asked, while another process could have answered. */
static void settle(struct edge *edge)
{
    for (int64_t until = clock_ms() + SETTLE_MS; clock_ms() < until; usleep(2000))
        if ((!edge->bus || (bus_up(edge->bus) && feed_whole(edge->feed))) && discovery_complete(edge->discovery))
            return;
}

static struct edge *edge_create(struct ctx *ctx, const struct edge_settings *settings, struct edge_shared *shared,
                                size_t index)
{
    struct edge *edge = must(calloc(1, sizeof *edge));
    edge->settings = settings;
    edge->shared = shared;
    edge->index = index;
    edge->slot = &shared->slots[index];
    edge->limits = &edge->slot->limits;
    edge->metrics = shared->metrics;
    edge->cache = answer_cache_create(edge_shared_cache_part(shared, settings), shared->forgotten, shared->kept,
                                      &edge->slot->cache);
    edge->instance = process_instance(&ctx->arena);
    edge->loop_count = edge_shared_loops(shared, index);
    edge->limit_links = limit_links_create(shared->counts);
    edge->tls_index = edge_tls_index();
    edge->verifier = verifier_create();
    pthread_mutex_init(&edge->lock, NULL);
    body_spool_start();
    configure(&edge->global, settings->body_max, settings->drain_ms, exchange_on_req);
    configure(&edge->admin_global, EDGE_ADMIN_BODY_MAX, settings->drain_ms, edge_admin_on_req);
    return edge;
}

static bool start_parts(struct ctx *ctx, struct edge *edge)
{
    struct nets nets;
    if (!nets_parse(edge->settings->member_nets, &nets))
        return ctx_fail(ctx, ERROR_INVALID, "EDGE_MEMBER_NETS: is no list of CIDRs");
    if (!nets_parse(edge->settings->trusted_proxies, &edge->trusted))
        return ctx_fail(ctx, ERROR_INVALID, "EDGE_TRUSTED_PROXIES: is no list of at most %d CIDRs", NETS_MAX);
    if (secret_given(&edge->settings->edge_secret) && !(edge->secret = secret_value(ctx, &edge->settings->edge_secret)))
        return false;
    if (!start_nats(ctx, edge))
        return false;
    edge->discovery = discovery_create(ctx,
                                       &(struct discovery_options){ .bus = edge->bus,
                                                                    .nets = &nets,
                                                                    .loops = edge->loop_count,
                                                                    .vitals = edge->shared->vitals,
                                                                    .name_servers = edge->settings->dns_resolver });
    if (!edge->discovery)
        return false;
    edge->hangups = edge->shared->hangups;
    edge->log = access_log_create(ctx, edge);
    if (!edge->log)
        return false;
    if (!otlp_settings_read(ctx, &edge->settings->otlp, &ctx->arena, &edge->traces))
        return false;
    edge->otlp = otlp_create(edge);
    make_loops(edge);
    if (!first_config(ctx, edge))
        return false;
    edge->checker = checker_create(edge->discovery);
    settle(edge);
    return listen_on_all(ctx, edge);
}

struct edge *edge_start(struct ctx *ctx, const struct edge_settings *settings, struct edge_shared *shared, size_t index)
{
    struct edge *edge = edge_create(ctx, settings, shared, index);
    if (!start_parts(ctx, edge)) {
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

void edge_close_admin(struct edge *edge)
{
    loop_stop(edge->admin, 0);
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
    checker_destroy(edge->checker);
    if (edge->discovery)
        discovery_stop(edge->discovery);
    if (edge->feed)
        feed_close(edge->feed);
    /* Questions that are still open are answered with "away", to loops that are there still. */
    if (edge->bus)
        bus_close(edge->bus, 1000);
    limit_links_stop(edge->limit_links);
    verifier_stop(edge->verifier);
    free_loops(edge);
    verifier_destroy(edge->verifier);
    access_log_destroy(edge->log);
    otlp_destroy(edge->otlp);
    discovery_destroy(edge->discovery);
    answer_cache_destroy(edge->cache);
    key_cache_destroy(edge->keys);
    auth_keys_destroy(edge->auth_keys);
    config_unref(edge->config);
    limit_links_destroy(edge->limit_links);
    h2o_config_dispose(&edge->global);
    h2o_config_dispose(&edge->admin_global);
    pthread_mutex_destroy(&edge->lock);
    free(edge);
}
