#pragma once
/* A service's HTTP face: a row for each endpoint. */
#include "http/endpoint.h"

enum access {
    PUBLIC,    /* anybody: health, JWKS */
    KEY,       /* a valid API key (checked by the edge, or here for any other peer) */
    SIGNED_IN, /* a key and an access token */
};

struct route {
    enum method method; /* GET also answers HEAD */
    const char *path;   /* "/tracks/id/{id}": a parameter is one whole segment */
    handler_fn *handler;
    enum access access;
    const char *role;       /* SIGNED_IN: whoever has it, or is ADMIN (decided by the authority) */
    const char *permission; /* or, in its place, "track:publish": whoever has a role that may, or is ADMIN */
    size_t body_max;        /* bytes; 0 = 64 KiB */
    bool body_to_file;      /* the body arrives as req->body_fd */
    bool on_loop;           /* never blocks: answered on the loop thread */
    bool heavy; /* costs tens of ms of CPU (a password): runs on server_options.heavy, so that a flood of it starves
                   nothing else */
    const char *cache;            /* the answer is public and may be kept in the process for up to 5 s under this name;
                                     answers_drop() drops it */
    int64_t deadline_ms;          /* 0 = the server's */
    const char *summary;          /* for docs/api.md */
    const struct field *in, *out; /* body and data: for docs/api.md and the contract */
};

/* The row for a method and decoded path; params go to `arena`. NULL: none; then *allowed tells the methods that the
 * path knows (0 = no such path), bit 1 << method. */
const struct route *route_match(const struct route *routes, enum method method, const char *path, struct arena *arena,
                                const struct pair **params, unsigned *allowed);
