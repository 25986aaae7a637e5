/* tonearm-auth: the parts list. People, sessions, tokens, roles and API keys. */
#include "auth_collections.h"
#include "auth_parts.h"
#include "base/log.h"
#include "base/text.h"
#include "contract/process.h"
#include "nats/relay.h"
#include "nats/streams.h"
#include "store/migrate.h"
#include "store/when_there.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { QUEUE = 256, HASHING_QUEUE = 512, TOKENS_REMEMBERED = 10000, BROADCASTS_KEPT_MS = 5 * 60 * 1000 };

struct auth_settings {
    struct common_settings common;
    struct store_settings store;
    const char *issuer, *audience;
    struct secret master;
    const char *signing_key_file;
    int signing_alg;
    int64_t access_ttl_ms, refresh_ttl_ms;
    int64_t audit_keep_ms, audit_keep_signins_ms;
    struct setting_items providers;
    const char *public_url;
    struct trusted_settings trusted;
    int64_t password_operations, password_memory, password_threads;
};

static const char *public_url_is_wrong(const char *url)
{
    return is_http_url(url) && !strpbrk(url, "?#") && !text_ends(url, "/")
               ? NULL
               : "must be an address of http or https without a slash at the end";
}

static const struct setting settings[] = {
    COMMON_SETTINGS(struct auth_settings, common, "AUTH_LISTEN", "127.0.0.1:8010"),
    STORE_SETTINGS(struct auth_settings, store, "auth"),
    SETTING("AUTH_ISSUER", SETTING_TEXT, struct auth_settings, issuer, .value = "tonearm", .min = 1, .max = 200,
            .help = "iss of the tokens"),
    SETTING("AUTH_AUDIENCE", SETTING_TEXT, struct auth_settings, audience, .value = "tonearm", .min = 1, .max = 200,
            .help = "aud of the tokens"),
    SETTING("AUTH_MASTER_SECRET", SETTING_SECRET, struct auth_settings, master, .required = true, .min = 32,
            .max = 1024,
            .help = "seals the signing keys in the store and makes refresh tokens; all replicas have the same"),
    SETTING("AUTH_SIGNING_KEY_FILE", SETTING_TEXT, struct auth_settings, signing_key_file,
            .help = "PEM of the first signing key; read where the store has none, else it is generated"),
    SETTING("AUTH_SIGNING_ALG", SETTING_ENUM, struct auth_settings, signing_alg, .value = "RS256",
            .values = signing_algs, .help = "of the keys that are generated"),
    SETTING("ACCESS_TOKEN_TTL", SETTING_MS, struct auth_settings, access_ttl_ms, .value = "15m", .min = 1000,
            .max = TOKEN_LIFE_MAX_MS,
            .help = "how long an access token lives; at most the hour that the stream REVOKED keeps"),
    SETTING("REFRESH_TOKEN_TTL", SETTING_MS, struct auth_settings, refresh_ttl_ms, .value = "30d", .min = 1000,
            .max = 31622400000, .help = "how long a session lives without being refreshed"),
    SETTING("AUDIT_KEEP", SETTING_MS, struct auth_settings, audit_keep_ms, .value = "365d", .min = 86400000,
            .max = 315360000000, .help = "how long the trail of who did what is kept"),
    SETTING("AUDIT_KEEP_SIGNINS", SETTING_MS, struct auth_settings, audit_keep_signins_ms, .value = "90d",
            .min = 3600000, .max = 315360000000,
            .help = "the same of sign-ins and sign-outs, and of tries that were refused"),
    SETTING("AUTH_OIDC_PROVIDERS", SETTING_GROUP, struct auth_settings, providers, .group = &oauth_provider_group,
            .help = "OpenID Connect providers to sign in by, such as google,work; each has the settings that follow "
                    "under its own name (docs/oidc.md)"),
    SETTING("AUTH_PUBLIC_URL", SETTING_TEXT, struct auth_settings, public_url, .max = 500, .wrong = public_url_is_wrong,
            .help = "where browsers reach this service, such as https://music.example.org/auth; empty: as the request "
                    "says"),
    TRUSTED_SETTINGS(struct auth_settings, trusted),
    SETTING("PASSWORD_OPERATIONS", SETTING_INTEGER, struct auth_settings, password_operations, .value = "2", .min = 1,
            .max = 64, .help = "argon2id: passes"),
    SETTING("PASSWORD_MEMORY", SETTING_BYTES, struct auth_settings, password_memory, .value = "19M", .min = 8192,
            .max = 1073741824, .help = "argon2id: memory of one hash"),
    SETTING("PASSWORD_THREADS", SETTING_INTEGER, struct auth_settings, password_threads, .value = "2", .min = 1,
            .max = 64, .help = "threads that hash passwords; the rest of the service never waits for them"),
    { 0 },
};

struct process {
    struct auth_settings set;
    const char *instance;
    struct metrics *metrics;
    struct store *store;
    struct workers *workers, *hashing;
    struct bus *bus;
    struct feed *feed;
    _Atomic(struct relay *) relay;
    struct auth_parts parts;
    struct keeper *keeper;
    struct consumer *trail;
    struct server *server;
    struct service *service;
};

static void store_written(void *self)
{
    struct process *process = self;
    struct relay *relay = atomic_load(&process->relay);
    if (relay)
        relay_wake(relay);
}

static bool start_store(struct ctx *ctx, struct process *process)
{
    const struct store_settings *set = &process->set.store;
    process->store = store_open(
        ctx,
        &(struct store_options){
            .url = set->url, .service = "auth", .ferretdb = set->ferretdb, .written = store_written, .self = process },
        auth_collections);
    if (!process->store)
        return false;
    return set->migrate ? migrate(ctx, process->store, set->migrations, auth_steps, NULL)
                        : migrate_check(ctx, process->store, set->migrations);
}

static bool start_nats(struct ctx *ctx, struct process *process)
{
    static const struct stream *const streams[] = { &stream_revoked, &stream_events, &stream_otp, NULL };
    const struct common_settings *set = &process->set.common;
    process->bus = bus_open(ctx, &(struct bus_options){ .url = set->nats_url,
                                                        .password = &set->nats_password,
                                                        .name = "auth",
                                                        .instance = process->instance,
                                                        .creds_file = set->nats_creds,
                                                        .ca_file = set->nats_ca,
                                                        .queue = 4096 });
    if (!process->bus || !streams_keep(ctx, process->bus, streams))
        return false;
    process->feed = feed_open(
        ctx, &(struct feed_options){ .bus = process->bus, .keep_ms = process->set.access_ttl_ms + BROADCASTS_KEPT_MS });
    if (!process->feed)
        return false;
    atomic_store(&process->relay, relay_start(ctx, process->bus, process->store));
    return atomic_load(&process->relay);
}

static bool open_parts(struct ctx *ctx, void *self)
{
    struct process *process = self;
    const struct auth_settings *set = &process->set;
    const struct auth_options options = {
        .store = process->store,
        .feed = process->feed,
        .master = &set->master,
        .alg = (enum jwt_alg)(set->signing_alg + 1),
        .signing_key_file = set->signing_key_file,
        .issuer = set->issuer,
        .audience = set->audience,
        .access_ttl_ms = set->access_ttl_ms,
        .refresh_ttl_ms = set->refresh_ttl_ms,
        .cost = { set->password_operations, set->password_memory },
        .redis_url = set->store.redis_url,
        .tokens_remembered = TOKENS_REMEMBERED,
        .audit_keep_ms = set->audit_keep_ms,
        .audit_keep_signins_ms = set->audit_keep_signins_ms,
        .providers = set->providers,
        .public_url = set->public_url,
        .trusted = set->trusted,
        .providers_wait = (int)(set->common.workers + 1) / 2,
    };
    return auth_parts_open(ctx, &process->parts, &options);
}

static bool start_parts(struct ctx *ctx, struct process *process)
{
    if (!store_when_there(ctx, open_parts, process))
        return false;
    process->keeper = keeper_start(process->parts.chores);
    process->trail = consumer_start(ctx, process->bus,
                                    &(struct consumer_options){ .stream = stream_events.name,
                                                                .filter = "event.user.>",
                                                                .durable = "auth",
                                                                .handle = audit_handle,
                                                                .self = &process->parts.audit });
    return process->trail;
}

static bool nats_there(struct ctx *ctx, void *bus)
{
    return bus_up(bus) || ctx_fail(ctx, ERROR_UNAVAILABLE, "NATS is away");
}

static bool store_there(struct ctx *ctx, void *store)
{
    return store_ping(ctx, store);
}

static bool redis_there(struct ctx *ctx, void *lockout)
{
    return lockout_shared(ctx, lockout) || ctx_fail(ctx, ERROR_UNAVAILABLE, "Redis is away");
}

static int64_t waiting_to_hash(void *workers)
{
    return (int64_t)workers_waiting(workers, LANE_HTTP);
}

static void start_workers(struct process *process)
{
    const struct auth_settings *set = &process->set;
    size_t threads = (size_t)set->common.workers;
    process->workers = workers_create(threads, threads / 4, QUEUE);
    process->hashing = workers_create((size_t)set->password_threads, 0, HASHING_QUEUE);
    metric_watch(process->metrics, "tonearm_auth_password_queue",
                 "Requests that wait for a thread that hashes passwords", waiting_to_hash, process->hashing);
}

static bool start_server(struct ctx *ctx, struct process *process)
{
    const struct common_settings *set = &process->set.common;
    static struct dependency dependencies[4]; /* kept by the server */
    struct lockout *lockout = process->parts.signin.lockout;
    metric_watch(process->metrics, "tonearm_auth_wrong_tries", "Wrong passwords and codes since the start",
                 lockout_wrong, lockout);
    metric_watch(process->metrics, "tonearm_auth_refused_tries", "Tries since the start that had to wait (429)",
                 lockout_refused, lockout);
    dependencies[0] = (struct dependency){ "store", store_there, process->store };
    dependencies[1] = (struct dependency){ "nats", nats_there, process->bus };
    dependencies[2] = (struct dependency){ "redis", redis_there, lockout, .optional = true };
    process->server = server_start(ctx, &(struct server_options){ .process = "auth",
                                                                  .listen = set->listen,
                                                                  .loops = (size_t)set->loops,
                                                                  .deadline_ms = set->deadline_ms,
                                                                  .body_max = 65536,
                                                                  .edge_secret = &set->edge_secret,
                                                                  .trusted_proxies = set->trusted_proxies,
                                                                  .mounts = process->parts.mounts,
                                                                  .dependencies = dependencies,
                                                                  .authority = &process->parts.authority,
                                                                  .workers = process->workers,
                                                                  .heavy = process->hashing,
                                                                  .metrics = process->metrics });
    return process->server;
}

static bool start_service(struct ctx *ctx, struct process *process)
{
    static const struct subject none[] = { { 0 } };
    struct pair *metadata = arena_array(&ctx->arena, struct pair, 2);
    metadata[0] = (struct pair){ "http", server_address(process->server) };
    process->service = service_start(
        ctx, process->bus,
        &(struct service_options){ .name = "auth",
                                   .version = TONEARM_VERSION,
                                   .description = "people, sessions, tokens, roles and API keys",
                                   .subjects = none,
                                   .mounts = process->parts.subject_mounts,
                                   .metadata = metadata,
                                   .workers = process->workers,
                                   .metrics = process->metrics });
    return process->service;
}

static bool start(struct ctx *ctx, struct process *process)
{
    process->metrics = metrics_create();
    process->instance = process_instance(&ctx->arena);
    if (!start_store(ctx, process))
        return false;
    start_workers(process);
    return start_nats(ctx, process) && start_parts(ctx, process) && start_server(ctx, process) &&
           start_service(ctx, process);
}

/* Leaves discovery, finishes what has begun, tells what is left to tell, and only then lets go of what it stands on. */
static void stop(struct process *process)
{
    int drain = (int)process->set.common.drain_ms;
    service_stop(process->service);
    server_stop(process->server, drain);
    workers_drain(process->hashing, drain);
    workers_drain(process->workers, drain);
    workers_destroy(process->hashing);
    workers_destroy(process->workers);
    keeper_stop(process->keeper);
    consumer_stop(process->trail);
    relay_stop(atomic_exchange(&process->relay, NULL));
    server_destroy(process->server);
    service_destroy(process->service);
    feed_close(process->feed);
    bus_close(process->bus, 1000);
    auth_parts_close(&process->parts);
    store_close(process->store);
    metrics_destroy(process->metrics);
}

int main(int argc, char **argv)
{
    process_begin();
    struct ctx ctx = { .request_id = "" };
    struct process process = { 0 };
    if (!settings_load(&ctx, settings, &process.set, argc, argv,
                       "tonearm-auth: people, sessions, tokens, roles and API keys", NULL))
        return 78;
    log_start("auth", (enum log_level)(process.set.common.log_level + LOG_DEBUG));
    if (!start(&ctx, &process)) {
        log_failure(LOG_ERROR, &ctx, "cannot start");
        return 1;
    }
    log_info(&ctx, "ready", "http", server_address(process.server), "instance", process.instance);
    while (process_wait() == SIGHUP) /* secrets are read again when their files change: there is nothing to do */
        continue;
    log_info(&ctx, "stopping");
    stop(&process);
    ctx_finish(&ctx);
    return 0;
}
