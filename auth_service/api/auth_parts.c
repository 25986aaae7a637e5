#include "auth_parts.h"

#include "admin/admin_http.h"
#include "apikey/apikeys_http.h"
#include "apikey/apikeys_nats.h"
#include "apikey/apikeys_store.h"
#include "key/key_nats.h"
#include "profile/profile_http.h"
#include "profile/profile_nats.h"
#include "role/role_nats.h"
#include "session/session_store.h"
#include "signin/signin_http.h"
#include "token/token_http.h"
#include "user/user_store.h"

#include <string.h>

static const struct announced *const announced[] = { &session_announced, &apikey_announced, &user_announced, NULL };

static void connect_parts(struct auth_parts *parts, const struct auth_options *options)
{
    parts->announcer = (struct announcer){ options->store, options->feed, announced };
    parts->users = (struct users){ options->store, roles_create(options->store), &parts->announcer, options->cost };
    parts->sessions = (struct sessions){ options->store, &parts->announcer, options->master, options->refresh_ttl_ms };
    parts->tokens = (struct tokens){ parts->keys.ring, options->issuer, options->audience, options->access_ttl_ms };
    parts->apikeys = (struct apikeys){ options->store, &parts->announcer };
    parts->local = local_authority_create(&(struct local_authority_options){
        &parts->tokens, &parts->sessions, &parts->users, &parts->apikeys, options->feed, options->tokens_remembered });
    parts->authority = local_authority(parts->local);
    parts->signin = (struct signin){ &parts->users, &parts->sessions, &parts->tokens };
    parts->refresh = (struct refresh){ &parts->users, &parts->sessions, &parts->tokens };
    parts->session_service = (struct session_service){ &parts->users, &parts->sessions };
    parts->token_service = (struct token_service){ &parts->authority, parts->users.roles };
}

static void mount_parts(struct auth_parts *parts)
{
    const struct mount mounts[] = {
        { signin_routes, &parts->signin }, { token_routes, &parts->refresh },
        { profile_routes, &parts->users }, { session_routes, &parts->session_service },
        { admin_routes, &parts->signin },  { apikey_routes, &parts->apikeys },
        { key_routes, &parts->keys },
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
        { "signing keys", 30000, key_ring_refresh, parts->keys.ring },
        { "expired sessions", 60000, session_sweep, &parts->sessions },
    };
    memcpy(parts->mounts, mounts, sizeof mounts);
    memcpy(parts->subject_mounts, subjects, sizeof subjects);
    memcpy(parts->chores, chores, sizeof chores);
}

bool auth_parts_open(struct ctx *ctx, struct auth_parts *parts, const struct auth_options *options)
{
    *parts = (struct auth_parts){ .signing_keys = { options->store, options->master } };
    parts->keys.ring = key_ring_open(ctx, &parts->signing_keys, options->alg, options->signing_key_file);
    if (!parts->keys.ring)
        return false;
    connect_parts(parts, options);
    mount_parts(parts);
    return true;
}

void auth_parts_close(struct auth_parts *parts)
{
    local_authority_destroy(parts->local);
    key_ring_close(parts->keys.ring);
    roles_destroy(parts->users.roles);
}
