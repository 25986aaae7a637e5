#pragma once
/* The features of auth, put together on a store and a feed: what main.c serves, and the tests call. */
#include "apikey/apikeys.h"
#include "app_password/app_password.h"
#include "audit/audit.h"
#include "keeper/keeper.h"
#include "key/key_http.h"
#include "nats/serve.h"
#include "oauth/oauth.h"
#include "http/server.h"
#include "recovery/recovery.h"
#include "revocation/announcer.h"
#include "session/session_http.h"
#include "signin/familiar.h"
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
    const char *redis_url; /* see struct lockout_options */
    int64_t redis_ms;
    size_t tokens_remembered;
    struct trusted_settings trusted;
    int64_t audit_keep_ms, audit_keep_signins_ms;
    struct setting_items providers; /* of struct oauth_provider_settings; kept */
    const char *public_url;         /* see struct oauth */
    int providers_wait;             /* see struct oauth.waiting_max; 0 = 4 */
};

struct auth_parts {
    struct announcer announcer;
    struct users users;
    struct audit audit;
    struct sessions sessions;
    struct signing_keys signing_keys;
    struct key_service keys;
    struct tokens tokens;
    struct apikeys apikeys;
    struct app_passwords app_passwords;
    struct trusted *trusted;
    struct foreign foreign;
    struct local_authority *local;
    struct authority authority;
    struct familiar familiar;
    struct codes codes;
    struct signin signin;
    struct recovery recovery;
    struct refresh refresh;
    struct session_service session_service;
    struct token_service token_service;
    const struct oauth_provider *providers;
    size_t provider_count;
    atomic_int waiting_for_providers;
    struct oauth oauth;

    struct mount mounts[16];                /* for server_start() */
    struct subject_mount subject_mounts[6]; /* for service_start() */
    struct chore chores[12];                /* for keeper_start() */
};

/* The parts point at each other: `parts` must stay where it is. False leaves nothing behind. */
bool auth_parts_open(struct ctx *ctx, struct auth_parts *parts, const struct auth_options *options);
void auth_parts_close(struct auth_parts *parts);
