/* tonearm-media: the parts list. Tracks, their audio and covers, the public's lists and search. */
#include "base/log.h"
#include "blob/blob.h"
#include "blob/marker.h"
#include "contract/process.h"
#include "departure/departure.h"
#include "http/server.h"
#include "nats/authority.h"
#include "nats/consumer.h"
#include "nats/relay.h"
#include "nats/streams.h"
#include "probe/probe.h"
#include "projection/projection.h"
#include "search/search_http.h"
#include "search/search_nats.h"
#include "store/migrate.h"
#include "store/when_there.h"
#include "track/cover_store.h"
#include "track/editor_http.h"
#include "track/studio_http.h"
#include "track/track_http.h"
#include "track/track_nats.h"
#include "track/tracks.h"

#include <signal.h>
#include <stdatomic.h>

enum { QUEUE = 256, UPLOAD_QUEUE = 64, ANSWERS_REMEMBERED = 10000, TOKEN_LIFE_MS = 15 * 60 * 1000 };

struct media_settings {
    struct common_settings common;
    struct store_settings store;
    const char *issuer, *audience;
    const char *blob_url, *projection_dir, *probe;
    int64_t audio_max, probes, probe_limit_ms;
};

static const struct setting settings[] = {
    COMMON_SETTINGS(struct media_settings, common, "MEDIA_LISTEN", "127.0.0.1:8020"),
    STORE_SETTINGS(struct media_settings, store, "media"),
    SETTING("AUTH_ISSUER", SETTING_TEXT, struct media_settings, issuer, .value = "tonearm", .min = 1, .max = 200,
            .help = "iss of the tokens that are believed"),
    SETTING("AUTH_AUDIENCE", SETTING_TEXT, struct media_settings, audience, .value = "tonearm", .min = 1, .max = 200,
            .help = "aud of the tokens that are believed"),
    SETTING("BLOB_URL", SETTING_TEXT, struct media_settings, blob_url, .value = "file:run/blobs", .required = true,
            .help = "file:DIR, where audio and covers are; one machine or one shared volume"),
    SETTING("PROJECTION_DIR", SETTING_TEXT, struct media_settings, projection_dir, .value = "run/projection",
            .required = true, .help = "where each replica keeps what search and lists are answered from; may be lost"),
    SETTING("MEDIA_PROBE", SETTING_TEXT, struct media_settings, probe, .value = "run/bin/tonearm-probe",
            .required = true, .help = "the helper program that reads uploaded files"),
    SETTING("MEDIA_PROBES", SETTING_INTEGER, struct media_settings, probes, .value = "2", .min = 1, .max = 8,
            .help = "helpers, each reading one file at a time"),
    SETTING("MEDIA_PROBE_LIMIT", SETTING_MS, struct media_settings, probe_limit_ms, .value = "10s", .min = 100,
            .max = 60000, .help = "how long reading one file may take"),
    SETTING("AUDIO_MAX", SETTING_BYTES, struct media_settings, audio_max, .value = "64M", .min = 65536,
            .max = 4294967296, .help = "the largest audio file that is taken"),
    { 0 },
};

static const struct collection *const collections[] = { &track_collection, &cover_collection, &marker_collection,
                                                        &departed_collection, NULL };

struct process {
    struct media_settings set;
    const char *instance, *store_name;
    struct metrics *metrics;
    struct store *store;
    struct blobs *blobs;
    struct probe *probe;
    struct workers *workers, *uploads;
    struct bus *bus;
    _Atomic(struct relay *) relay;
    struct remote_authority *remote;
    struct authority authority;
    struct projection *projection;
    struct consumer *departures;
    struct tracks tracks;
    _Atomic(struct server *) server;
    struct service *service;
    struct mount mounts[5];
    struct dependency dependencies[7];
};

static void store_written(void *self)
{
    struct process *process = self;
    struct relay *relay = atomic_load(&process->relay);
    if (relay)
        relay_wake(relay);
}

/* A published track changed, by this replica or by another. */
static void tracks_shown(void *self)
{
    struct process *process = self;
    struct server *server = atomic_load(&process->server);
    if (server)
        answers_drop(server, CACHE_TRACKS);
}

static bool start_store(struct ctx *ctx, struct process *process)
{
    const struct store_settings *set = &process->set.store;
    struct store_options options = {
        .url = set->url, .service = "media", .ferretdb = set->ferretdb, .written = store_written, .self = process
    };
    process->store = store_open(ctx, &options, collections);
    if (!process->store)
        return false;
    return set->migrate ? migrate(ctx, process->store, set->migrations, NULL, NULL)
                        : migrate_check(ctx, process->store, set->migrations);
}

static bool name_store(struct ctx *ctx, void *self)
{
    struct process *process = self;
    process->store_name = blobs_marked(ctx, process->blobs, process->store);
    return process->store_name;
}

static bool start_files(struct ctx *ctx, struct process *process)
{
    const struct media_settings *set = &process->set;
    process->blobs = blobs_open(ctx, set->blob_url);
    if (!process->blobs || !store_when_there(ctx, name_store, process))
        return false;
    struct probe_options options = { .path = set->probe,
                                     .helpers = (size_t)set->probes,
                                     .limit_ms = set->probe_limit_ms };
    process->probe = probe_create(ctx, &options);
    return process->probe != NULL;
}

static bool start_nats(struct ctx *ctx, struct process *process)
{
    const struct common_settings *set = &process->set.common;
    struct bus_options options = { .url = set->nats_url,
                                   .password = &set->nats_password,
                                   .name = "media",
                                   .instance = process->instance,
                                   .creds_file = set->nats_creds,
                                   .ca_file = set->nats_ca,
                                   .queue = 4096 };
    process->bus = bus_open(ctx, &options);
    if (!process->bus)
        return false;
    atomic_store(&process->relay, relay_start(ctx, process->bus, process->store));
    struct remote_authority_options authority = { .bus = process->bus,
                                                  .issuer = process->set.issuer,
                                                  .audience = process->set.audience,
                                                  .keep_ms = TOKEN_LIFE_MS,
                                                  .capacity = ANSWERS_REMEMBERED };
    process->remote = atomic_load(&process->relay) ? remote_authority_create(ctx, &authority) : NULL;
    if (process->remote)
        process->authority = remote_authority(process->remote);
    return process->remote != NULL;
}

static int64_t events_behind(void *projection)
{
    return projection_lag(projection);
}

static bool start_parts(struct ctx *ctx, struct process *process)
{
    struct projection_options options = { .dir = process->set.projection_dir,
                                          .store = process->store,
                                          .store_name = process->store_name,
                                          .bus = process->bus,
                                          .changed = tracks_shown,
                                          .self = process };
    process->projection = projection_open(ctx, &options);
    if (!process->projection)
        return false;
    metric_watch(process->metrics, "tonearm_media_projection_lag", "Events not yet in the projection; -1: unknown",
                 events_behind, process->projection);
    process->tracks = (struct tracks){ .store = process->store,
                                       .blobs = process->blobs,
                                       .probe = process->probe,
                                       .projection = process->projection,
                                       .shown = tracks_shown,
                                       .self = process };
    process->departures = consumer_start(ctx, process->bus,
                                         &(struct consumer_options){ .stream = stream_events.name,
                                                                     .filter = "event.user.deleted",
                                                                     .durable = "media",
                                                                     .handle = departure_handle,
                                                                     .self = &process->tracks });
    return process->departures != NULL;
}

static bool nats_there(struct ctx *ctx, void *bus)
{
    return bus_up(bus) || ctx_fail(ctx, ERROR_UNAVAILABLE, "NATS is away");
}

static bool store_there(struct ctx *ctx, void *store)
{
    return store_ping(ctx, store);
}

static void list_parts(struct ctx *ctx, struct process *process)
{
    size_t at = 0;
    process->mounts[at++] = (struct mount){ track_routes, &process->tracks };
    process->mounts[at++] = (struct mount){ search_routes, &process->tracks };
    process->mounts[at++] = (struct mount){ studio_routes(&ctx->arena, (size_t)process->set.audio_max),
                                            &process->tracks };
    process->mounts[at++] = (struct mount){ editor_routes, &process->tracks };
    at = 0;
    process->dependencies[at++] = (struct dependency){ "store", store_there, process->store };
    process->dependencies[at++] = (struct dependency){ "nats", nats_there, process->bus };
    process->dependencies[at++] = (struct dependency){ "auth", remote_authority_ready, process->remote };
    process->dependencies[at++] = (struct dependency){ "blobs", blobs_ready, process->blobs };
    process->dependencies[at++] = (struct dependency){ "probe", probe_ready, process->probe };
    process->dependencies[at++] = (struct dependency){ "projection", projection_ready, process->projection };
}

static bool start_server(struct ctx *ctx, struct process *process)
{
    const struct common_settings *set = &process->set.common;
    list_parts(ctx, process);
    struct server_options options = { .process = "media",
                                      .listen = set->listen,
                                      .loops = (size_t)set->loops,
                                      .deadline_ms = set->deadline_ms,
                                      .body_max = (size_t)process->set.audio_max,
                                      .spool_dir = blobs_spool(process->blobs),
                                      .edge_secret = &set->edge_secret,
                                      .trusted_proxies = set->trusted_proxies,
                                      .mounts = process->mounts,
                                      .dependencies = process->dependencies,
                                      .authority = &process->authority,
                                      .workers = process->workers,
                                      .heavy = process->uploads,
                                      .metrics = process->metrics };
    atomic_store(&process->server, server_start(ctx, &options));
    return atomic_load(&process->server) != NULL;
}

static bool start_service(struct ctx *ctx, struct process *process)
{
    static const struct subject none[] = { { 0 } };
    struct pair *metadata = arena_array(&ctx->arena, struct pair, 2);
    struct subject_mount *mounts = arena_array(&ctx->arena, struct subject_mount, 3);
    metadata[0] = (struct pair){ "http", server_address(atomic_load(&process->server)) };
    mounts[0] = (struct subject_mount){ track_subjects, &process->tracks };
    mounts[1] = (struct subject_mount){ search_subjects, &process->tracks };
    struct service_options options = { .name = "media",
                                       .version = TONEARM_VERSION,
                                       .description = "tracks, albums, artists, streams and search",
                                       .subjects = none,
                                       .mounts = mounts,
                                       .metadata = metadata,
                                       .workers = process->workers,
                                       .metrics = process->metrics };
    process->service = service_start(ctx, process->bus, &options);
    return process->service != NULL;
}

static bool start(struct ctx *ctx, struct process *process)
{
    size_t threads = (size_t)process->set.common.workers;
    process->metrics = metrics_create();
    process->instance = process_instance(&ctx->arena);
    if (!start_store(ctx, process) || !start_files(ctx, process))
        return false;
    process->workers = workers_create(threads, threads / 4, QUEUE);
    /* A thread for each helper, and as many that write to the disk meanwhile. */
    process->uploads = workers_create((size_t)process->set.probes * 2, 0, UPLOAD_QUEUE);
    return start_nats(ctx, process) && start_parts(ctx, process) && start_server(ctx, process) &&
           start_service(ctx, process);
}

/* Leaves discovery, finishes what has begun, tells what is left to tell, and only then lets go of what it stands on. */
static void stop(struct process *process)
{
    int drain = (int)process->set.common.drain_ms;
    struct server *server = atomic_load(&process->server);
    service_stop(process->service);
    server_stop(server, drain);
    workers_drain(process->uploads, drain);
    workers_drain(process->workers, drain);
    workers_destroy(process->uploads);
    workers_destroy(process->workers);
    consumer_stop(process->departures);
    projection_close(process->projection);
    relay_stop(atomic_exchange(&process->relay, NULL));
    server_destroy(atomic_exchange(&process->server, NULL));
    service_destroy(process->service);
    remote_authority_destroy(process->remote);
    bus_close(process->bus, 1000);
    probe_destroy(process->probe);
    blobs_close(process->blobs);
    store_close(process->store);
    metrics_destroy(process->metrics);
}

int main(int argc, char **argv)
{
    process_begin();
    struct ctx ctx = { .request_id = "" };
    struct process process = { 0 };
    if (!settings_load(&ctx, settings, &process.set, argc, argv, "tonearm-media: tracks, streams and search", NULL))
        return 78;
    log_start("media", (enum log_level)(process.set.common.log_level + LOG_DEBUG));
    if (!start(&ctx, &process)) {
        log_failure(LOG_ERROR, &ctx, "cannot start");
        return 1;
    }
    log_info(&ctx, "ready", "http", server_address(atomic_load(&process.server)), "instance", process.instance);
    while (process_wait() == SIGHUP) /* secrets are read again when their files change: there is nothing to do */
        continue;
    log_info(&ctx, "stopping");
    stop(&process);
    ctx_finish(&ctx);
    return 0;
}
