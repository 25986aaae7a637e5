#include "token/local_authority.h"

#include "base/clock.h"
#include "base/lru.h"
#include "crypto/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * How long what was read counts as read just now, while the store holds the same. The stamp knows every commit; the
 * limit is for what hangs on the time too: sessions that run out, and roles, which are read every few seconds.
 */
enum { CURRENT_MS = 1000 };

struct local_authority {
    struct local_authority_options options;
    pthread_mutex_t lock;
    struct lru *known; /* hash of a token -> struct known */
};

/* When the store was asked: taken before. */
struct moment {
    uint64_t generation; /* of the feed */
    int64_t ms;          /* on clock_ms() */
    bool stamped;
    struct store_stamp stamp;
};

enum { KID_ROOM = 64 }; /* ours are thumbprints of 43 characters */

/* One block: the caller's texts follow. */
struct known {
    struct moment at;
    char signed_by[KID_ROOM];
    struct caller caller;
};

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t role_count(const struct caller *caller)
{
    size_t count = 0;
    while (caller->roles[count])
        count++;
    return count;
}

static size_t caller_size(const struct caller *caller)
{
    size_t size = sizeof *caller + (role_count(caller) + 1) * sizeof(char *);
    for (const char *const *role = caller->roles; *role; role++)
        size += text_size(*role);
    return size + text_size(caller->user_id) + text_size(caller->name) + text_size(caller->email) +
           text_size(caller->picture) + text_size(caller->session_id);
}

static const char *pack_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    char *packed = *at;
    *at += text_size(text);
    return memcpy(packed, text, text_size(text));
}

/* `packed` is the beginning of caller_size(caller) bytes. */
static struct caller *pack(struct caller *packed, const struct caller *caller)
{
    const char **roles = (const char **)(packed + 1);
    size_t count = role_count(caller);
    char *at = (char *)(roles + count + 1);
    *packed = *caller;
    packed->roles = roles;
    for (size_t i = 0; i < count; i++)
        roles[i] = pack_text(&at, caller->roles[i]);
    roles[count] = NULL;
    packed->user_id = pack_text(&at, caller->user_id);
    packed->name = pack_text(&at, caller->name);
    packed->email = pack_text(&at, caller->email);
    packed->picture = pack_text(&at, caller->picture);
    packed->session_id = pack_text(&at, caller->session_id);
    return packed;
}

struct local_authority *local_authority_create(const struct local_authority_options *options)
{
    struct local_authority *local = calloc(1, sizeof *local);
    if (!local)
        abort();
    local->options = *options;
    local->known = lru_create(options->capacity, free);
    pthread_mutex_init(&local->lock, NULL);
    return local;
}

void local_authority_destroy(struct local_authority *local)
{
    if (!local)
        return;
    lru_destroy(local->known);
    pthread_mutex_destroy(&local->lock);
    free(local);
}

/* The feed tells what has ended, or been changed since, of what is remembered (or about to be). */
static bool is_stale(const struct local_authority *local, const struct caller *caller, const char *signed_by)
{
    struct feed *feed = local->options.feed;
    return caller->expires_at <= clock_now_ms() || feed_revoked(feed, REVOKED_SESSION, caller->session_id, 0) ||
           feed_revoked(feed, REVOKED_SESSION, signed_by, 0) || feed_roles_newer(feed, caller->roles_version) ||
           feed_revoked(feed, CHANGED_USER, caller->user_id, caller->user_version);
}

static void take_moment(const struct local_authority *local, struct moment *out)
{
    out->generation = feed_generation(local->options.feed);
    out->ms = clock_ms();
    out->stamped = store_stamp(local->options.sessions->store, &out->stamp);
}

/* Nobody has committed anything in between: reading again would find the same. */
static bool is_current(const struct moment *then, const struct moment *now)
{
    return then->stamped && now->stamped && now->ms - then->ms < CURRENT_MS &&
           memcmp(&then->stamp, &now->stamp, sizeof now->stamp) == 0;
}

struct recalled {
    struct caller *caller; /* NULL: nothing is */
    const char *signed_by;
    bool current; /* as if it had been read just now */
};

static struct recalled recall(struct ctx *ctx, struct local_authority *local, const char *key, const struct moment *now)
{
    struct recalled found = { 0 };
    pthread_mutex_lock(&local->lock);
    const struct known *known = lru_get(local->known, key);
    if (known && (known->at.generation != now->generation || is_stale(local, &known->caller, known->signed_by)))
        lru_drop(local->known, key);
    else if (known)
        found = (struct recalled){ pack(arena_alloc(&ctx->arena, caller_size(&known->caller)), &known->caller),
                                   arena_strdup(&ctx->arena, known->signed_by), is_current(&known->at, now) };
    pthread_mutex_unlock(&local->lock);
    return found;
}

static void remember(struct local_authority *local, const char *key, const struct caller *caller, const char *signed_by,
                     const struct moment *at)
{
    if (strlen(signed_by) >= KID_ROOM || is_stale(local, caller, signed_by))
        return;
    struct known *known = malloc(offsetof(struct known, caller) + caller_size(caller));
    if (!known)
        abort();
    known->at = *at;
    strcpy(known->signed_by, signed_by);
    pack(&known->caller, caller);
    pthread_mutex_lock(&local->lock);
    lru_put(local->known, key, known, clock_ms() + caller->expires_at - clock_now_ms());
    pthread_mutex_unlock(&local->lock);
}

static const char *const *role_codes(struct ctx *ctx, const struct list *refs)
{
    const struct role_ref *items = refs->items;
    const char **codes = arena_array(&ctx->arena, const char *, refs->count + 1);
    for (size_t i = 0; i < refs->count; i++)
        codes[i] = items[i].code;
    return codes;
}

/* What is not there any more is an answer about the person: the session has ended. An outage is not. */
static void *ended(struct ctx *ctx)
{
    return ctx_forgive(ctx, ERROR_NOT_FOUND) ? ctx_fail(ctx, ERROR_UNAUTHORIZED, "the session has ended") : NULL;
}

static struct caller *ask_store(struct ctx *ctx, const struct local_authority *local, const struct named *named)
{
    struct session *session = session_get(ctx, local->options.sessions, named->session_id);
    if (!session)
        return ended(ctx);
    struct user *user = user_get(ctx, local->options.users, named->user_id);
    if (!user)
        return ended(ctx);
    struct list refs;
    int64_t roles_version = 0;
    if (!session_holds(ctx, session, user) ||
        !roles_refs(ctx, local->options.users->roles, &user->roles, &refs, &roles_version))
        return NULL;
    struct caller *caller = arena_new(&ctx->arena, struct caller);
    *caller = (struct caller){
        .user_id = user->doc.id,
        .name = user->name,
        .email = user->email,
        .picture = user->picture,
        .session_id = session->doc.id,
        .roles = role_codes(ctx, &refs),
        .user_version = user->user_version,
        .roles_version = roles_version,
        .expires_at = named->expires_at,
    };
    return caller;
}

/* The token was verified before: what it names is asked for again, and only an outage is bridged by what was found
 * then. */
static struct caller *check_known(struct ctx *ctx, struct local_authority *local, const char *key,
                                  const struct moment *at, const struct recalled *known)
{
    const struct named named = { known->caller->session_id, known->caller->user_id, known->caller->expires_at };
    struct caller *caller = ask_store(ctx, local, &named);
    if (caller && at->stamped)
        remember(local, key, caller, known->signed_by, at);
    if (!caller && feed_whole(local->options.feed) && !is_stale(local, known->caller, known->signed_by) &&
        ctx_forgive(ctx, ERROR_UNAVAILABLE))
        return known->caller;
    return caller;
}

/* `signed_by`: the kid of ours; "" where it is not. */
static bool verify(struct ctx *ctx, const struct local_authority *local, const char *access_token, struct named *out,
                   const char **signed_by)
{
    const struct foreign *foreign = local->options.foreign;
    struct issuer *issuer = foreign ? trusted_issuer_of(ctx, foreign->trusted, access_token) : NULL;
    struct jwt_claims claims;
    *signed_by = "";
    if (issuer)
        return foreign_token_check(ctx, foreign, issuer, access_token, out);
    if (!token_check(ctx, local->options.tokens, access_token, false, &claims))
        return false;
    *out = (struct named){ claims.session, claims.subject, claims.expires * 1000 };
    *signed_by = claims.key;
    return true;
}

static struct caller *check_new(struct ctx *ctx, struct local_authority *local, const char *key,
                                const struct moment *at, const char *access_token)
{
    const char *signed_by = NULL;
    struct named named;
    if (!verify(ctx, local, access_token, &named, &signed_by))
        return NULL;
    struct caller *caller = ask_store(ctx, local, &named);
    if (caller)
        remember(local, key, caller, signed_by, at);
    return caller;
}

static struct caller *token(struct ctx *ctx, void *self, const char *access_token)
{
    struct local_authority *local = self;
    const char *key = sha256_hex(&ctx->arena, access_token, strlen(access_token));
    struct moment now;
    take_moment(local, &now);
    struct recalled known = recall(ctx, local, key, &now);
    if (known.current)
        return known.caller;
    return known.caller ? check_known(ctx, local, key, &now, &known) : check_new(ctx, local, key, &now, access_token);
}

/* The caller was read from the store just now, or (in an outage) remembered under the feed's watch. */
static bool role(struct ctx *ctx, void *self, const struct caller *caller, const char *const *any_of)
{
    const struct local_authority *local = self;
    enum reach reach = roles_reach(ctx, local->options.users->roles, caller->roles, any_of);
    if (reach == REACH_NO)
        return ctx_fail(ctx, ERROR_FORBIDDEN, "this needs another role");
    return reach == REACH_YES;
}

static struct api_key *key(struct ctx *ctx, void *self, const char *text)
{
    const struct local_authority *local = self;
    return apikey_check(ctx, local->options.apikeys, text);
}

struct authority local_authority(struct local_authority *local)
{
    return (struct authority){ .self = local, .token = token, .role = role, .key = key };
}
