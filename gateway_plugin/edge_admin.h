#pragma once
/*
 * The operator's side, on a listener and a loop of its own: Kong's GET /status,
 * /services, /routes, /upstreams, /upstreams/{name}/health, /plugins, /config and
 * POST /config; GET /metrics, /health and /ready.
 */
#include <h2o.h>

enum { EDGE_ADMIN_BODY_MAX = 5 << 20 };

int edge_admin_on_req(h2o_handler_t *self, h2o_req_t *req);
