/*
 * GET /live: what the operator's page shows. Counts only grow, so whoever asks
 * twice has the rates; the same numbers stand in /metrics. ?routes=1 adds the
 * routes of the configuration, which change with `configuration.since` only.
 */
#include "admin/edge_admin_parts.h"

#include "base/clock.h"
#include "admin/edge_metrics.h"

static json_t *texts_json(const struct texts *texts)
{
    json_t *out = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(out, json_string(texts->items[i]));
    return out;
}

static json_t *routes_json(const struct config *config)
{
    json_t *out = json_array();
    for (const struct kong_route *row = config->routes; row; row = row->next)
        json_array_append_new(out,
                              json_pack("{s:s,s:s,s:o,s:o,s:o}", "name", row->name, "service",
                                        row->service ? row->service->name : "", "hosts", texts_json(&row->hosts),
                                        "paths", texts_json(&row->paths), "methods", texts_json(&row->method_names)));
    return out;
}

static json_t *upstreams_json(const struct admin *admin)
{
    json_t *out = json_array();
    for (const struct kong_upstream *row = admin->config->upstreams; row; row = row->next)
        json_array_append_new(out, json_pack("{s:s,s:o}", "name", row->name, "members", admin_members(admin, row)));
    return out;
}

static json_t *nats_json(const struct edge *edge, const struct edge_total *total)
{
    return json_pack("{s:b,s:b,s:b}", "configured", edge->bus != NULL, "connected", total->bus_up, "feed_whole",
                     total->feed_whole);
}

void admin_live(struct admin *admin)
{
    const struct edge *edge = admin->edge;
    const struct config *config = admin->config;
    struct edge_total total = edge_shared_total(edge->shared);
    admin->json = json_pack("{s:I,s:I,s:s,s:i,s:i,s:I,s:I,s:{s:s,s:I},s:o,s:o,s:o}", "now_ms",
                            (json_int_t)clock_now_ms(), "started_ms", (json_int_t)edge->shared->started_ms, "version",
                            TONEARM_VERSION, "processes", (int)total.serving, "processes_wanted",
                            (int)edge->shared->count, "connections", (json_int_t)total.conns, "requests_under_way",
                            (json_int_t)total.requests, "configuration", "file", config->file, "since",
                            (json_int_t)config->since_ms, "nats", nats_json(edge, &total), "upstreams",
                            upstreams_json(admin), "counts", edge_metrics_json(edge->metrics));
    if (admin_query(admin, "routes"))
        json_object_set_new(admin->json, "routes", routes_json(config));
}
