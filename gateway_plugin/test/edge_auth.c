#include "edge_auth.h"

#include "nats/streams.h"

#include <criterion/criterion.h>
#include <unistd.h>

void edge_auth_start(struct edge_auth *auth, struct ctx *ctx, const struct subject *subjects)
{
    static const struct stream *const streams[] = { &stream_revoked, NULL };
    auth->ctx = ctx;
    nats_server_create(&auth->server, NULL);
    struct bus_options options = { .url = auth->server.url, .name = "auth" };
    auth->bus = bus_open(ctx, &options);
    for (int i = 0; i < 3000 && !bus_up(auth->bus); i++)
        usleep(10000);
    cr_assert(bus_up(auth->bus) && streams_keep(ctx, auth->bus, streams));
    struct feed_options following = { .bus = auth->bus, .keep_ms = 60000 };
    cr_assert_not_null(auth->feed = feed_open(ctx, &following));
    auth->workers = workers_create(8, 8, 1000);
    struct service_options serving = {
        .name = "auth", .version = "1.0.0", .description = "of a test", .subjects = subjects, .workers = auth->workers
    };
    cr_assert_not_null(auth->service = service_start(ctx, auth->bus, &serving));
}

void edge_auth_stop(struct edge_auth *auth)
{
    service_stop(auth->service);
    service_destroy(auth->service);
    feed_close(auth->feed);
    bus_close(auth->bus, 200);
    workers_destroy(auth->workers);
    nats_server_destroy(&auth->server);
}

char *edge_auth_url(const struct edge_auth *auth)
{
    return arena_printf(&auth->ctx->arena, "NATS_URL=%s", auth->server.url);
}
