#pragma once
/* An auth that the test plays: a nats-server of its own, and whoever answers for API keys or tokens there. */
#include "nats/feed.h"
#include "nats/nats_fixture.h"
#include "nats/serve.h"

struct edge_auth {
    struct ctx *ctx;
    struct nats_server server;
    struct bus *bus;
    struct workers *workers;
    struct service *service;
    struct feed *feed;
};

/* `subjects`, to {0}, are answered on several threads. */
void edge_auth_start(struct edge_auth *auth, struct ctx *ctx, const struct subject *subjects);
void edge_auth_stop(struct edge_auth *auth);
/* "NATS_URL=...": for the environment of an edge. */
char *edge_auth_url(const struct edge_auth *auth);
