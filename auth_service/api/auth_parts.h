#pragma once
/* The features of auth, put together on a store and a feed: what main.c serves, and the tests call. */
#include "apikey/apikeys.h"
#include "keeper/keeper.h"
#include "key/key_http.h"
#include "nats/serve.h"
#include "http/server.h"
#include "revocation/announcer.h"
#include "session/session_http.h"
#include "signin/signin.h"
#include "token/local_authority.h"
#include "token/refresh.h"
#include "token/token_nats.h"

struct auth_options {
    struct store *store;
    struct feed *feed;
    const struct secret *master; /* kept */
    enum jwt_alg alg;
    const char *signing_key_file; /* NULL or "": a first key is generated */
    const char *issuer, *audience;
    int64_t access_ttl_ms, refresh_ttl_ms;
    struct password_cost cost;
    size_t tokens_remembered;
};

struct auth_parts {
    struct announcer announcer;
    struct users users;
    struct sessions sessions;
    struct signing_keys signing_keys;
    struct key_service keys;
    struct tokens tokens;
    struct apikeys apikeys;
    struct local_authority *local;
    struct authority authority;
    struct signin signin;
    struct refresh refresh;
    struct session_service session_service;
    struct token_service token_service;

    struct mount mounts[10];                /* for server_start() */
    struct subject_mount subject_mounts[6]; /* for service_start() */
    struct chore chores[4];                 /* for keeper_start() */
};

/* The parts point at each other: `parts` must stay where it is. False leaves nothing behind. */
bool auth_parts_open(struct ctx *ctx, struct auth_parts *parts, const struct auth_options *options);
void auth_parts_close(struct auth_parts *parts);
