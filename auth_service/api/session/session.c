#include "session/session.h"

#include "audit/deed.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "revocation/announcer.h"
#include "session/session_store.h"

#include <string.h>

enum {
    TRIES = 32, /* as many rotate one session at once */
    SALT_BYTES = 16,
    SWEEP_PAGES = 50,    /* in one chore */
    SESSIONS_MAX = 1000, /* of one user */
    PRUNE_ONE_IN = 16
};

static char *secret_of(struct ctx *ctx, const struct sessions *sessions, const struct session *session,
                       int64_t generation)
{
    return refresh_token_secret(ctx, sessions->master, session->doc.id, generation, session->salt);
}

/* Gives the session its next generation; in memory only. */
static struct held_session *renew(struct ctx *ctx, const struct sessions *sessions, struct session *session)
{
    int64_t now = clock_now_ms();
    char *secret = secret_of(ctx, sessions, session, session->generation + 1);
    if (!secret)
        return NULL;
    session->generation++;
    session->secret_hash = sha256_hex(&ctx->arena, secret, strlen(secret));
    session->rotated_at = session->used_at = now;
    session->expires_at = now + sessions->ttl_ms;

    struct held_session *held = arena_new(&ctx->arena, struct held_session);
    held->session = session;
    held->refresh_token = refresh_token_write(ctx,
                                              &(struct refresh_token){ session->doc.id, session->generation, secret });
    return held;
}

/* Who signs in all day without signing out is not to fill the store: now and then a sign-in ends those beyond the
 * newest. */
static bool prune(struct ctx *ctx, const struct sessions *sessions, const char *user_id)
{
    unsigned char dice;
    random_bytes(&dice, 1);
    if (dice % PRUNE_ONE_IN)
        return true;
    size_t alive = 0;
    struct page page = { 0 };
    do {
        if (!session_store_of(ctx, sessions->store, user_id, true, page.next, &page))
            return false;
        const struct session *items = page.items;
        for (size_t i = 0; i < page.count; i++) {
            alive += !items[i].revoked_at;
            if (alive > SESSIONS_MAX && !session_end(ctx, sessions, items[i].doc.id))
                return false;
        }
    } while (page.next);
    return true;
}

/* Under the session's own id. */
static bool tell_beginning(struct ctx *ctx, const struct sessions *sessions, const struct session *session,
                           const char *how)
{
    struct audit_entry entry = { .doc.id = session->doc.id,
                                 .at = session->created_at,
                                 .actor = ACTOR_USER,
                                 .by = session->user_id,
                                 .session = session->doc.id,
                                 .action = "session.began",
                                 .target = session->doc.id,
                                 .detail = how,
                                 .address = session->address,
                                 .device = session->device };
    return audit_write(ctx, sessions->audit, &entry);
}

/* The write that ends it says why: whoever it is, they hold a token of this person. */
static bool tell_reuse(struct ctx *ctx, const struct sessions *sessions, const struct session *session,
                       const struct device *device)
{
    const struct deed deed = {
        .actor = ACTOR_UNKNOWN, .by = session->user_id, .session = session->doc.id, .action = "refresh.reused"
    };
    return deed_of(ctx, sessions->audit->vault, deed, &(struct whence){ device->address, device->name });
}

static struct session *make(struct ctx *ctx, const char *id, const struct user *user, const struct device *device)
{
    struct session *session = arena_new(&ctx->arena, struct session);
    *session = (struct session){
        .doc.id = id,
        .user_id = user->doc.id,
        .salt = random_text(&ctx->arena, SALT_BYTES),
        .epoch = user->epoch,
        .device = device->name,
        .address = device->address,
        .created_at = clock_now_ms(),
    };
    return session;
}

bool session_of_token(struct ctx *ctx, const struct sessions *sessions, const struct user *user,
                      const struct device *device, const char *id, int64_t expires_at)
{
    struct session *session = make(ctx, id, user, device);
    if (!renew(ctx, sessions, session))
        return false;
    session->expires_at = expires_at;
    session->is_token = true;
    return session_store_insert(ctx, sessions->store, session) || ctx_forgive(ctx, ERROR_CONFLICT);
}

struct held_session *session_begin(struct ctx *ctx, const struct sessions *sessions, const struct user *user,
                                   const struct device *device, const char *how)
{
    struct session *session = make(ctx, id_new(&ctx->arena), user, device);
    struct held_session *held = renew(ctx, sessions, session);
    if (!held || !prune(ctx, sessions, user->doc.id) || !tell_beginning(ctx, sessions, session, how))
        return NULL;
    return session_store_insert(ctx, sessions->store, session) ? held : NULL;
}

enum verdict { WRONG, CURRENT, PREDECESSOR, REUSED };

/* NULL secret (the master cannot be read) fails the request, not the person. */
static bool judge(struct ctx *ctx, const struct sessions *sessions, const struct session *session,
                  const struct refresh_token *token, enum verdict *out)
{
    int64_t now = clock_now_ms();
    *out = WRONG;
    if (session->revoked_at || session->expires_at <= now || token->generation > session->generation)
        return true;
    if (token->generation == session->generation) {
        const char *hash = sha256_hex(&ctx->arena, token->secret, strlen(token->secret));
        if (text_secret_equal(hash, session->secret_hash))
            *out = CURRENT;
        return true;
    }
    const char *secret = secret_of(ctx, sessions, session, token->generation);
    if (!secret)
        return false;
    if (!text_secret_equal(secret, token->secret)) /* who only guesses ends nobody's session */
        return true;
    bool just_now = token->generation == session->generation - 1 && now <= session->rotated_at + SUCCESSOR_MS;
    *out = just_now ? PREDECESSOR : REUSED;
    return true;
}

static struct held_session *rotate(struct ctx *ctx, const struct sessions *sessions, struct session *session,
                                   const struct device *device)
{
    if (device->name)
        session->device = device->name;
    if (device->address)
        session->address = device->address;
    struct held_session *held = renew(ctx, sessions, session);
    return held && session_store_change(ctx, sessions->store, session) ? held : NULL;
}

static struct held_session *same_successor(struct ctx *ctx, const struct sessions *sessions, struct session *session)
{
    char *secret = secret_of(ctx, sessions, session, session->generation);
    if (!secret)
        return NULL;
    struct held_session *held = arena_new(&ctx->arena, struct held_session);
    held->session = session;
    held->refresh_token = refresh_token_write(ctx,
                                              &(struct refresh_token){ session->doc.id, session->generation, secret });
    return held;
}

static void *refused(struct ctx *ctx)
{
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the refresh token is not valid");
}

static struct held_session *refresh_once(struct ctx *ctx, const struct sessions *sessions,
                                         const struct refresh_token *token, const struct device *device)
{
    struct session *session = session_store_get(ctx, sessions->store, token->session);
    if (!session)
        return ctx_forgive(ctx, ERROR_NOT_FOUND) ? refused(ctx) : NULL;
    enum verdict verdict;
    if (!judge(ctx, sessions, session, token, &verdict))
        return NULL;
    switch (verdict) {
    case CURRENT:
        return rotate(ctx, sessions, session, device);
    case PREDECESSOR:
        return same_successor(ctx, sessions, session);
    case REUSED: /* two hold it: one of them stole it, and which one nobody can tell (RFC 9700) */
        log_warn(ctx, "a refresh token was used again: its session ends", "session", session->doc.id);
        return tell_reuse(ctx, sessions, session, device) && session_end(ctx, sessions, session->doc.id) ? refused(ctx)
                                                                                                         : NULL;
    case WRONG:
        break;
    }
    return refused(ctx);
}

struct held_session *session_refresh(struct ctx *ctx, const struct sessions *sessions, const char *text,
                                     const char *must_be, const struct device *device)
{
    struct refresh_token token;
    if (!refresh_token_parse(ctx, text, &token) || (must_be && strcmp(must_be, token.session) != 0))
        return refused(ctx);
    for (int tries = 0; tries < TRIES; tries++) {
        struct held_session *held = refresh_once(ctx, sessions, &token, device);
        if (held || !ctx_forgive(ctx, ERROR_CONFLICT))
            return held;
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

static bool in_epoch(const struct session *session, const struct user *user)
{
    return session->epoch >= user->epoch || text_equal(session->doc.id, user->spared);
}

bool session_holds(struct ctx *ctx, const struct session *session, const struct user *user)
{
    if (!session->revoked_at && session->expires_at > clock_now_ms() && text_equal(session->user_id, user->doc.id) &&
        in_epoch(session, user) && user->status == USER_ACTIVE)
        return true;
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the session has ended");
}

struct session *session_get(struct ctx *ctx, const struct sessions *sessions, const char *id)
{
    return session_store_get(ctx, sessions->store, id);
}

bool session_list(struct ctx *ctx, const struct sessions *sessions, const struct user *user, struct list *out)
{
    struct page page;
    if (!session_store_of(ctx, sessions->store, user->doc.id, true, NULL, &page))
        return false;
    struct session *items = page.items;
    *out = (struct list){ .items = items };
    for (size_t i = 0; i < page.count; i++) {
        if (session_holds(ctx, &items[i], user))
            items[out->count++] = items[i];
        else
            ctx_forgive(ctx, ERROR_UNAUTHORIZED);
    }
    return true;
}

static bool end_once(struct ctx *ctx, const struct sessions *sessions, const char *id)
{
    struct session *session = session_store_get(ctx, sessions->store, id);
    if (!session)
        return ctx_forgive(ctx, ERROR_NOT_FOUND);
    if (session->revoked_at)
        return true;
    session->revoked_at = session->announce = clock_now_ms();
    return session_store_change(ctx, sessions->store, session);
}

bool session_end(struct ctx *ctx, const struct sessions *sessions, const char *id)
{
    for (int tries = 0; tries < TRIES; tries++) {
        if (end_once(ctx, sessions, id)) {
            announce(ctx, sessions->announcer, &session_announced, id, 0);
            return true;
        }
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return false;
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

/* Keeps those that `user`'s epoch has ended, at the front. */
static size_t outlived(struct session *items, size_t count, const struct user *user, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].revoked_at || in_epoch(&items[i], user))
            continue;
        items[kept] = items[i];
        items[kept].revoked_at = items[kept].announce = now;
        kept++;
    }
    return kept;
}

void session_end_others(struct ctx *ctx, const struct sessions *sessions, const struct user *user)
{
    struct error *pending = ctx->error;
    struct page page = { 0 };
    do {
        if (!session_store_of(ctx, sessions->store, user->doc.id, false, page.next, &page))
            break;
        struct session *items = page.items;
        size_t count = outlived(items, page.count, user, clock_now_ms());
        if (count && !session_store_change_many(ctx, sessions->store, items, count))
            break;
        for (size_t i = 0; i < count; i++)
            announce_later(sessions->announcer, &session_announced, items[i].doc.id, 0);
    } while (page.next);
    ctx->error = pending; /* they are over by their epoch: what was not marked is swept when it expires */
}

bool session_sweep(struct ctx *ctx, void *self)
{
    const struct sessions *sessions = self;
    for (int pages = 0; pages < SWEEP_PAGES; pages++) {
        struct page page;
        ctx->deadline_ms = clock_ms() + 5000;
        if (!session_store_expired(ctx, sessions->store, clock_now_ms(), &page))
            return false;
        if (page.count == 0)
            return true;
        if (!session_store_remove_many(ctx, sessions->store, page.items, page.count))
            return false;
    }
    return true;
}
