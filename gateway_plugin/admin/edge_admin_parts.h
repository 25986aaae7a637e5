#pragma once
/* What the files of the admin's side have in common. Internal to them. */
#include "process/edge.h"

#include <jansson.h>

/* A request to the admin's side. All is done when the handler returns. */
struct admin {
    struct edge *edge;
    h2o_req_t *req;
    struct arena arena;
    struct config *config;
    const char *path, *query; /* decoded; as it came, "" without one */
    const char *names[3];     /* what the stars of the row's path stand for */
    int status;
    json_t *json;               /* the answer, or ... */
    struct buf out;             /* ... this, of ... */
    const char *type;           /* ... this type */
    const char *allow, *policy; /* headers; NULL: none */
};

/* Answers {"message": ...} as Kong does. */
void admin_refuse(struct admin *admin, int status, const char *message);
/* NULL: the query does not have it. */
const char *admin_query(struct admin *admin, const char *name);
/* Asked by a page in a browser, of whichever site: only browsers say Origin. It is refused. */
bool admin_from_page(struct admin *admin);
/* A page whose own name has been pointed at this machine (DNS rebinding) could read all: on loopback a browser must ask
 * for an address or localhost. Every browser says Accept-Encoding, and no page can keep it from that. It is refused. */
bool admin_rebound(struct admin *admin);

/* Kong's lists and entities; false: the path is none of theirs. */
bool admin_entities(struct admin *admin);
void admin_post_config(struct admin *admin);
void admin_upstream_health(struct admin *admin);
void admin_target_healthy(struct admin *admin);
void admin_target_unhealthy(struct admin *admin);
/* A list of the upstream's targets with their health, as Kong gives it. */
json_t *admin_members(const struct admin *admin, const struct kong_upstream *upstream);
void admin_live(struct admin *admin);
void admin_page(struct admin *admin);
/* The client is a browser. */
bool admin_wants_page(const struct admin *admin);
