#include "auth_parts.h"

#include "admin/admin_http.h"
#include "apikey/apikeys_http.h"
#include "apikey/apikeys_nats.h"
#include "apikey/apikeys_store.h"
#include "app_password/app_password_http.h"
#include "audit/audit_http.h"
#include "key/key_nats.h"
#include "key/signing_key_store.h"
#include "oauth/oauth_http.h"
#include "oauth/oauth_used.h"
#include "profile/profile_http.h"
#include "profile/profile_nats.h"
#include "recovery/recovery_http.h"
#include "role/role_http.h"
#include "role/role_nats.h"
#include "role/role_store.h"
#include "session/session_store.h"
#include "signin/signin_http.h"
#include "token/token_http.h"
#include "user/user_store.h"

#include <string.h>

static const struct announced *const announced[] = { &session_announced,     &apikey_announced, &user_announced,
                                                     &signing_key_announced, &roles_announced,  NULL };

static void connect_parts(struct auth_parts *parts, const struct auth_options *options)
{
    parts->announcer = (struct announcer){ options->store, options->feed, announced };
    parts->users = (struct users){ options->store,
                                   roles_create(options->store, options->feed),
                                   &parts->announcer,
                                   options->cost,
                                   &parts->signing_keys.vault,
                                   options->master };
    parts->audit = (struct audit){ options->store, &parts->signing_keys.vault, options->audit_keep_ms,
                                   options->audit_keep_signins_ms };
    parts->sessions = (struct sessions){ options->store, &parts->announcer, options->master, options->refresh_ttl_ms,
                                         &parts->audit };
    parts->tokens = (struct tokens){ parts->keys.ring, options->issuer, options->audience, options->access_ttl_ms };
    parts->apikeys = (struct apikeys){ options->store, &parts->announcer, &parts->signing_keys.vault };
    parts->app_passwords = (struct app_passwords){ options->store, &parts->users, &parts->signing_keys.vault };
    parts->foreign = (struct foreign){ parts->trusted, &parts->signin, options->access_ttl_ms };
    parts->keys.trusted = parts->trusted;
    parts->local = local_authority_create(
        &(struct local_authority_options){ &parts->tokens, &parts->sessions, &parts->users, &parts->apikeys,
                                           options->feed, options->tokens_remembered, &parts->foreign });
    parts->authority = local_authority(parts->local);
    parts->codes = (struct codes){ options->store, options->master };
    parts->signin = (struct signin){ &parts->users, &parts->sessions,      &parts->tokens,
                                     &parts->codes, parts->signin.lockout, &parts->audit };
    parts->recovery = (struct recovery){ &parts->users, &parts->sessions, &parts->codes, parts->signin.lockout,
                                         &parts->audit };
    parts->refresh = (struct refresh){ &parts->users, &parts->sessions, &parts->tokens };
    parts->session_service = (struct session_service){ &parts->users, &parts->sessions };
    parts->token_service = (struct token_service){ &parts->authority, parts->users.roles };
    parts->oauth = (struct oauth){ .signin = &parts->signin,
                                   .store = options->store,
                                   .vault = &parts->signing_keys.vault,
                                   .providers = parts->providers,
                                   .count = parts->provider_count,
                                   .public_url = options->public_url,
                                   .waiting = &parts->waiting_for_providers,
                                   .waiting_max = options->providers_wait ? options->providers_wait : 4 };
}

static void mount_parts(struct auth_parts *parts)
{
    const struct mount mounts[] = {
        { signin_routes, &parts->signin },     { token_routes, &parts->refresh },
        { profile_routes, &parts->users },     { session_routes, &parts->session_service },
        { admin_routes, &parts->signin },      { apikey_routes, &parts->apikeys },
        { key_routes, &parts->keys },          { role_routes, &parts->users },
        { recovery_routes, &parts->recovery }, { audit_routes, &parts->audit },
        { oauth_routes, &parts->oauth },       { app_password_routes, &parts->app_passwords },
    };
    const struct subject_mount subjects[] = {
        { token_subjects, &parts->token_service },
        { role_subjects, &parts->users },
        { apikey_subjects, &parts->apikeys },
        { profile_subjects, &parts->users },
        { key_subjects, &parts->keys },
    };
    const struct chore chores[] = {
        { "broadcasts that wait", 500, announce_pending, &parts->announcer },
        { "signing keys", 1000, key_ring_refresh, parts->keys.ring },
        { "signing keys that are gone", 60000, signing_keys_sweep, &parts->signing_keys },
        { "expired sessions", 60000, session_sweep, &parts->sessions },
        { "old entries of the trail", 60000, audit_sweep, &parts->audit },
        { "old codes", 60000, code_sweep, &parts->codes },
        { "sign-ins that are done with", 60000, oauth_used_sweep, parts->oauth.store },
    };
    memcpy(parts->mounts, mounts, sizeof mounts);
    memcpy(parts->subject_mounts, subjects, sizeof subjects);
    memcpy(parts->chores, chores, sizeof chores);
}

static bool open_parts(struct ctx *ctx, struct auth_parts *parts, const struct auth_options *options)
{
    parts->familiar = (struct familiar){ &parts->users, &parts->sessions };
    parts->provider_count = options->providers.count;
    if (!oauth_providers_open(ctx, &options->providers, &parts->providers))
        return false;
    parts->trusted = trusted_open(ctx, &options->trusted, options->issuer, options->audience);
    if (!parts->trusted)
        return false;
    parts->signin.lockout = lockout_create(
        ctx, &(struct lockout_options){ options->redis_url, options->redis_ms, familiar_network, &parts->familiar });
    if (!parts->signin.lockout)
        return false;
    parts->keys.ring = key_ring_open(ctx, &parts->signing_keys, options->feed, options->alg, options->signing_key_file);
    return parts->keys.ring;
}

bool auth_parts_open(struct ctx *ctx, struct auth_parts *parts, const struct auth_options *options)
{
    *parts = (struct auth_parts){ .signing_keys = { options->store, vault_of_secret(options->master) } };
    if (!open_parts(ctx, parts, options)) {
        auth_parts_close(parts);
        return false;
    }
    connect_parts(parts, options);
    mount_parts(parts);
    return true;
}

void auth_parts_close(struct auth_parts *parts)
{
    oauth_providers_close(parts->providers, parts->provider_count);
    local_authority_destroy(parts->local);
    trusted_close(parts->trusted);
    key_ring_close(parts->keys.ring);
    roles_destroy(parts->users.roles);
    lockout_destroy(parts->signin.lockout);
}
