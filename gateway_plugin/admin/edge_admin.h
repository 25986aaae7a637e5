#pragma once
/*
 * The operator's side, on a listener and a loop of its own in each process; whichever
 * answers speaks for all of them. It reads as Kong's admin API without a database
 * does: lists with `size`, `offset` and `tags`, entities by name or id; what would
 * write is 405. POST /config; GET /metrics, /health and /ready; the operator's page.
 * docs/edge-admin.md has all of it.
 */
#include <h2o.h>

enum { EDGE_ADMIN_BODY_MAX = 5 << 20 };

int edge_admin_on_req(h2o_handler_t *self, h2o_req_t *req);
