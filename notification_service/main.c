/* tonearm-notify: the parts list. What happens elsewhere comes in by JetStream; HTTP is for health and metrics. */
#include "base/log.h"
#include "contract/process.h"
#include "happening/happening.h"
#include "http/server.h"
#include "nats/serve.h"
#include "nats/streams.h"

struct notify_settings {
    struct common_settings common;
};

static const struct setting settings[] = {
    COMMON_SETTINGS(struct notify_settings, common, "NOTIFY_LISTEN", "127.0.0.1:8030"),
    { 0 },
};

static const struct route routes[] = { { 0 } };
static const struct subject subjects[] = { { 0 } };

static bool nats_there(struct ctx *ctx, void *bus)
{
    return bus_up(bus) || ctx_fail(ctx, ERROR_UNAVAILABLE, "NATS is away");
}

static int refuse(struct ctx *ctx)
{
    log_failure(LOG_ERROR, ctx, "cannot start");
    return 1;
}

int main(int argc, char **argv)
{
    process_begin();
    struct ctx ctx = { .request_id = "" };
    struct notify_settings set = { 0 };
    if (!settings_load(&ctx, settings, &set, argc, argv, "tonearm-notify: tells people what happened", NULL))
        return 78;
    log_start("notify", (enum log_level)(set.common.log_level + LOG_DEBUG));

    struct metrics *metrics = metrics_create();
    struct workers *workers = workers_create((size_t)set.common.workers, (size_t)set.common.workers / 4, 256);
    const char *instance = process_instance(&ctx.arena);
    struct bus *bus = bus_open(&ctx, &(struct bus_options){ .url = set.common.nats_url,
                                                            .password = &set.common.nats_password,
                                                            .name = "notify",
                                                            .instance = instance,
                                                            .creds_file = set.common.nats_creds,
                                                            .ca_file = set.common.nats_ca,
                                                            .queue = 4096 });
    if (!bus)
        return refuse(&ctx);

    struct happening happening;
    happening_init(&happening, metrics);
    struct consumer *consumer = consumer_start(
        &ctx, bus,
        &(struct consumer_options){
            .stream = stream_events.name, .durable = "notify", .handle = happening_handle, .self = &happening });
    if (!consumer)
        return refuse(&ctx);

    const struct mount mounts[] = { { routes, NULL }, { 0 } };
    const struct dependency dependencies[] = { { "nats", nats_there, bus }, { 0 } };
    struct server *server = server_start(&ctx, &(struct server_options){ .process = "notify",
                                                                         .listen = set.common.listen,
                                                                         .loops = 1,
                                                                         .deadline_ms = set.common.deadline_ms,
                                                                         .body_max = 65536,
                                                                         .trusted_proxies = set.common.trusted_proxies,
                                                                         .edge_secret = &set.common.edge_secret,
                                                                         .mounts = mounts,
                                                                         .dependencies = dependencies,
                                                                         .workers = workers,
                                                                         .metrics = metrics });
    if (!server)
        return refuse(&ctx);

    const struct pair metadata[] = { { "http", server_address(server) }, { 0 } };
    struct service *service = service_start(&ctx, bus,
                                            &(struct service_options){ .name = "notify",
                                                                       .version = TONEARM_VERSION,
                                                                       .description = "tells people what happened",
                                                                       .subjects = subjects,
                                                                       .metadata = metadata,
                                                                       .workers = workers,
                                                                       .metrics = metrics });
    if (!service)
        return refuse(&ctx);
    log_info(&ctx, "ready", "http", server_address(server), "instance", instance);

    process_wait();
    log_info(&ctx, "stopping");
    service_stop(service);
    consumer_stop(consumer);
    server_stop(server, (int)set.common.drain_ms);
    workers_drain(workers, (int)set.common.drain_ms);
    workers_destroy(workers);
    server_destroy(server);
    service_destroy(service);
    bus_close(bus, 1000);
    metrics_destroy(metrics);
    ctx_finish(&ctx);
    return 0;
}
