#include "nats/authority.h"

#include "base/clock.h"
#include "base/text.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "crypto/apikey.h"
#include "crypto/digest.h"
#include "nats/remembered.h"
#include "nats/remote_keys.h"

#include <string.h>

enum { BLIND_MS = 30000, KEY_FRESH_MS = 60000, KEY_AWAY_MS = 300000, CAPACITY = 10000 };

struct remote_authority {
    struct bus *bus;
    char *issuer, *audience;
    int64_t keep_ms;
    struct feed *feed;
    struct remote_keys *keys;
    uint64_t era; /* grows when a signing key is revoked; by __atomic */
    struct remembered *tokens, *roles, *apikeys;
};

static size_t count_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    return count;
}

static const char *const *copy_texts(struct arena *to, const char *const *texts)
{
    size_t count = count_texts(texts);
    const char **out = arena_array(to, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        out[i] = arena_strdup(to, texts[i]);
    return out;
}

static void *copy_caller(struct arena *to, const void *value)
{
    const struct caller *from = value;
    struct caller *out = arena_new(to, struct caller);
    *out = *from;
    out->user_id = arena_strdup(to, from->user_id);
    out->name = arena_strdup(to, from->name);
    out->email = arena_strdup(to, from->email);
    out->picture = arena_strdup(to, from->picture);
    out->session_id = arena_strdup(to, from->session_id);
    out->roles = copy_texts(to, from->roles);
    return out;
}

static void *copy_key(struct arena *to, const void *value)
{
    const struct api_key *from = value;
    struct api_key *out = arena_new(to, struct api_key);
    *out = *from;
    out->id = arena_strdup(to, from->id);
    out->name = arena_strdup(to, from->name);
    out->scopes = copy_texts(to, from->scopes);
    return out;
}

static void *copy_flag(struct arena *to, const void *value)
{
    bool *out = arena_new(to, bool);
    *out = *(const bool *)value;
    return out;
}

/* An answer about the person is 401 or 403; whatever else went wrong is an outage. */
static void *not_answered(struct ctx *ctx)
{
    enum error_code code = ctx->error->code;
    if (code == ERROR_UNAUTHORIZED || code == ERROR_FORBIDDEN || code == ERROR_UNAVAILABLE)
        return NULL;
    if (code == ERROR_NOT_FOUND || code == ERROR_INVALID)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "%s", ctx->error->message);
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "who you are cannot be checked at the moment");
}

static bool verify_own(struct ctx *ctx, struct remote_authority *remote, const struct jwt_keys *keys, const char *token,
                       struct jwt_claims *out, const char **unknown)
{
    struct jwt_expect expect = { .typ = "at+jwt",
                                 .issuer = remote->issuer,
                                 .audience = remote->audience,
                                 .now = clock_now_ms() / 1000,
                                 .leeway = JWT_LEEWAY_S };
    return jwt_verify(ctx, keys, token, &expect, out, unknown);
}

/* Whom such a token names is auth's to tell. */
static bool verify_foreign(struct ctx *ctx, const struct jwt_issuer *by, const char *token, const char **unknown)
{
    struct jwt_foreign_expect expect = { .typ = "at+jwt",
                                         .issuer = by->issuer,
                                         .audience = by->audience,
                                         .now = clock_now_ms() / 1000,
                                         .leeway = by->leeway };
    json_t *claims = NULL;
    bool good = jwt_verify_foreign(ctx, by->keys, token, &expect, &claims, unknown);
    json_decref(claims);
    if (!good && *unknown && by->away)
        ctx_fail(ctx, ERROR_UNAVAILABLE, "the token's issuer is away");
    return good;
}

/* By whose keys, and which of them is not known. */
struct unknown {
    const char *issuer, *kid;
};

static bool verify_once(struct ctx *ctx, struct remote_authority *remote, const char *token, struct jwt_claims *out,
                        struct unknown *unknown)
{
    struct jwt_keys *keys = remote_keys_get(ctx, remote->keys);
    if (!keys)
        return false;
    struct jwt_issuers *issuers = remote_keys_issuers(remote->keys);
    const char *claimed = issuers ? jwt_claimed_issuer(&ctx->arena, token) : NULL;
    const struct jwt_issuer *by = jwt_issuers_find(issuers, claimed);
    *unknown = (struct unknown){ .issuer = by ? claimed : NULL };
    bool good = by ? verify_foreign(ctx, by, token, &unknown->kid)
                   : verify_own(ctx, remote, keys, token, out, &unknown->kid);
    jwt_issuers_unref(issuers);
    jwt_keys_unref(keys);
    return good;
}

static bool verify(struct ctx *ctx, struct remote_authority *remote, const char *token, struct jwt_claims *out)
{
    struct unknown unknown = { 0 };
    struct error *before = ctx->error;
    if (verify_once(ctx, remote, token, out, &unknown))
        return true;
    if (!unknown.kid || !remote_keys_look_again(ctx, remote->keys, unknown.issuer, unknown.kid))
        return false;
    ctx->error = before; /* the kid is known now, perhaps */
    return verify_once(ctx, remote, token, out, &unknown);
}

static const char *const *codes_of(struct ctx *ctx, const struct list *roles)
{
    const struct role_ref *items = roles->items;
    const char **out = arena_array(&ctx->arena, const char *, roles->count + 1);
    for (size_t i = 0; i < roles->count; i++)
        out[i] = items[i].code;
    return out;
}

static struct caller *caller_of(struct ctx *ctx, const struct valid_token *valid)
{
    struct caller *caller = arena_new(&ctx->arena, struct caller);
    *caller = (struct caller){ .user_id = valid->user->id,
                               .name = valid->user->name,
                               .email = valid->user->email,
                               .picture = valid->user->picture,
                               .session_id = valid->session_id,
                               .roles = codes_of(ctx, &valid->roles),
                               .user_version = valid->user_version,
                               .expires_at = valid->expires_at };
    return caller;
}

static void *ask_token(struct ctx *ctx, void *self, const void *question, struct grounds *grounds)
{
    struct remote_authority *remote = self;
    const char *token = question;
    struct jwt_claims claims = { 0 };
    if (!verify(ctx, remote, token, &claims))
        return NULL;
    if (claims.session && feed_revoked(remote->feed, REVOKED_SESSION, claims.session, 0))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the session has ended");
    /* A replica of auth that had not heard of it yet may have told us this key. */
    if (claims.key && feed_revoked(remote->feed, REVOKED_SESSION, claims.key, 0))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token's key has been revoked");
    struct validate_token in = { token };
    struct valid_token valid = { 0 };
    if (!bus_call(ctx, remote->bus, SUBJECT_VALIDATE_TOKEN, validate_token_fields, &in, valid_token_fields, &valid))
        return not_answered(ctx);
    int64_t left_ms = valid.expires_at - clock_now_ms();
    if (left_ms <= 0)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token has expired");
    struct caller *caller = caller_of(ctx, &valid);
    *grounds = (struct grounds){ .until_ms = clock_ms() + left_ms,
                                 .session = caller->session_id,
                                 .user = caller->user_id,
                                 .user_version = caller->user_version,
                                 .roles_version = valid.roles_version };
    return caller;
}

static struct caller *check_token(struct ctx *ctx, void *self, const char *access_token)
{
    struct remote_authority *remote = self;
    const char *key = sha256_hex(&ctx->arena, access_token, strlen(access_token));
    return remembered_get(ctx, remote->tokens, key, ask_token, remote, access_token);
}

struct role_question {
    const struct caller *caller;
    const char *const *any_of;
};

static void *ask_role(struct ctx *ctx, void *self, const void *question, struct grounds *grounds)
{
    struct remote_authority *remote = self;
    const struct role_question *asked = question;
    const struct caller *caller = asked->caller;
    struct validate_role in = { caller->user_id, { (void *)asked->any_of, count_texts(asked->any_of) } };
    struct valid_role valid = { 0 };
    /* Changed since the token was looked at: the answer is right, but belongs to another version. */
    bool changed = feed_revoked(remote->feed, CHANGED_USER, caller->user_id, caller->user_version);
    if (!bus_call(ctx, remote->bus, SUBJECT_VALIDATE_ROLE, validate_role_fields, &in, valid_role_fields, &valid))
        return not_answered(ctx);
    *grounds = (struct grounds){ .until_ms = clock_ms() + remote->keep_ms,
                                 .user = caller->user_id,
                                 .user_version = caller->user_version,
                                 .roles_version = valid.roles_version,
                                 .once = changed };
    bool *out = arena_new(&ctx->arena, bool);
    *out = valid.has_role;
    return out;
}

static bool check_role(struct ctx *ctx, void *self, const struct caller *caller, const char *const *any_of)
{
    struct remote_authority *remote = self;
    struct buf key = BUF(&ctx->arena);
    buf_printf(&key, "%s %lld", caller->user_id, (long long)caller->user_version);
    for (size_t i = 0; any_of[i]; i++)
        buf_printf(&key, " %s", any_of[i]);
    struct role_question question = { caller, any_of };
    const bool *has = remembered_get(ctx, remote->roles, key.data, ask_role, remote, &question);
    return has && (*has || ctx_fail(ctx, ERROR_FORBIDDEN, "this needs another role"));
}

static const char *const *scopes_of(struct ctx *ctx, const struct list *scopes)
{
    const char *const *items = scopes->items;
    const char **out = arena_array(&ctx->arena, const char *, scopes->count + 1);
    for (size_t i = 0; i < scopes->count; i++)
        out[i] = items[i];
    return out;
}

static void *ask_key(struct ctx *ctx, void *self, const void *question, struct grounds *grounds)
{
    struct remote_authority *remote = self;
    struct validate_apikey in = { question };
    struct valid_apikey valid = { 0 };
    if (!bus_call(ctx, remote->bus, SUBJECT_VALIDATE_APIKEY, validate_apikey_fields, &in, valid_apikey_fields, &valid))
        return not_answered(ctx);
    int64_t left_ms = valid.expires_at ? valid.expires_at - clock_now_ms() : 0;
    if (valid.expires_at && left_ms <= 0)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the API key has expired");
    *grounds = (struct grounds){ .until_ms = valid.expires_at ? clock_ms() + left_ms : 0, .apikey = valid.id };
    struct api_key *out = arena_new(&ctx->arena, struct api_key);
    *out = (struct api_key){ .id = valid.id,
                             .name = valid.name,
                             .scopes = scopes_of(ctx, &valid.scopes),
                             .rate = valid.rate,
                             .expires_at = valid.expires_at };
    return out;
}

static struct api_key *check_key(struct ctx *ctx, void *self, const char *key)
{
    struct remote_authority *remote = self;
    if (!apikey_plausible(key, NULL))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the API key is not valid");
    return remembered_get(ctx, remote->apikeys, sha256_hex(&ctx->arena, key, strlen(key)), ask_key, remote, key);
}

/* A signing key that is revoked is told as a session with its kid for an id: whatever it signed is checked anew. */
static void heard(void *self, enum revoked kind, const char *id, int64_t version)
{
    (void)version;
    struct remote_authority *remote = self;
    if (kind == REVOKED_SESSION && remote_keys_revoke(remote->keys, id))
        __atomic_add_fetch(&remote->era, 1, __ATOMIC_ACQ_REL);
}

struct remote_authority *remote_authority_create(struct ctx *ctx, const struct remote_authority_options *options)
{
    struct remote_authority *remote = calloc(1, sizeof *remote);
    if (!remote)
        abort();
    remote->bus = options->bus;
    remote->issuer = strdup(options->issuer);
    remote->audience = strdup(options->audience);
    remote->keep_ms = options->keep_ms;
    remote->keys = remote_keys_create(options->bus);
    remote->feed = feed_open(
        ctx, &(struct feed_options){
                 .bus = options->bus, .keep_ms = options->keep_ms * 2, .changed = heard, .self = remote });
    if (!remote->feed) {
        remote_authority_destroy(remote);
        return NULL;
    }
    struct remembered_options as = { .feed = remote->feed,
                                     .era = &remote->era,
                                     .blind_ms = BLIND_MS,
                                     .capacity = options->capacity ? options->capacity : CAPACITY };
    as.copy = copy_caller;
    remote->tokens = remembered_create(&as);
    as.copy = copy_flag;
    remote->roles = remembered_create(&as);
    as.copy = copy_key;
    as.fresh_ms = KEY_FRESH_MS;
    as.away_ms = KEY_AWAY_MS;
    remote->apikeys = remembered_create(&as);
    return remote;
}

void remote_authority_destroy(struct remote_authority *remote)
{
    if (!remote)
        return;
    feed_close(remote->feed);
    remembered_destroy(remote->tokens);
    remembered_destroy(remote->roles);
    remembered_destroy(remote->apikeys);
    remote_keys_destroy(remote->keys);
    free(remote->issuer);
    free(remote->audience);
    free(remote);
}

struct authority remote_authority(struct remote_authority *remote)
{
    return (struct authority){ .self = remote, .token = check_token, .role = check_role, .key = check_key };
}

bool remote_authority_ready(struct ctx *ctx, void *self)
{
    struct remote_authority *remote = self;
    if (!feed_whole(remote->feed))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the feed of revocations has a gap");
    struct jwt_keys *keys = remote_keys_get(ctx, remote->keys);
    if (keys)
        jwt_keys_unref(keys);
    return keys != NULL;
}
