#include "issuer/foreign_token.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "issuer/foreign_roles.h"
#include "oauth/oauth_account.h"
#include "user/user_store.h"

#include <string.h>

enum { ID_BYTES = 12 }; /* of an id_new() */

/* Who could change the signature's bytes (of ES256 there are two that are right) would have another session. */
static const char *session_id_of(struct arena *arena, const char *token)
{
    unsigned char digest[SHA256_SIZE];
    sha256(token, (size_t)(strrchr(token, '.') - token), digest);
    return hex_encode(arena, digest, ID_BYTES);
}

static bool identity_of(struct ctx *ctx, const struct issuer *issuer, const json_t *claims, struct oauth_identity *out)
{
    const struct oauth_provider_settings set = { .name = issuer_host(issuer), .issuer = issuer_url(issuer) };
    return oauth_identity_of(ctx, &set, claims, out);
}

/*
 * Who has no address that is known to be theirs gets one that reaches nobody (RFC 2606). It is made of the link: of
 * two first tokens at once one makes the account.
 */
static struct user *make_account(struct ctx *ctx, const struct foreign *foreign, const struct oauth_identity *who,
                                 const json_t *claims)
{
    const char *name = json_string_value(json_object_get(claims, "preferred_username"));
    bool fits = name && utf8_count(name) >= USER_NAME_MIN && utf8_count(name) <= USER_NAME_MAX;
    const struct new_user in = {
        .email = arena_printf(&ctx->arena, "%.32s@unknown.invalid",
                              sha256_hex(&ctx->arena, who->link, strlen(who->link))),
        .name = who->name ? who->name
                : fits    ? name
                          : "unknown",
        .picture = who->picture,
        .link = who->link,
    };
    struct user *user = user_create(ctx, foreign->signin->users, &in);
    return user || !ctx_forgive(ctx, ERROR_CONFLICT) ? user : user_find_linked(ctx, foreign->signin->users, who->link);
}

/* Whoever was deleted does not come back because a program goes on with a token: they sign up again themselves. */
static bool was_deleted(struct ctx *ctx, const struct foreign *foreign, const char *link, bool *out)
{
    const struct users *users = foreign->signin->users;
    const char *former = user_former_link(ctx, users, link);
    *out = former && user_store_find_formerly_linked(ctx, users->store, former);
    return *out || (former && ctx_forgive(ctx, ERROR_NOT_FOUND));
}

static struct user *account_of(struct ctx *ctx, const struct foreign *foreign, const struct oauth_identity *who,
                               const json_t *claims)
{
    const struct origin origin = { .device = { .name = who->provider } };
    struct user *user = user_find_linked(ctx, foreign->signin->users, who->link);
    bool deleted;
    if (user || !ctx_forgive(ctx, ERROR_NOT_FOUND) || !was_deleted(ctx, foreign, who->link, &deleted))
        return user;
    if (deleted)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "this account was deleted");
    return who->verified ? oauth_account(ctx, foreign->signin, who, &origin) : make_account(ctx, foreign, who, claims);
}

static struct user *user_of(struct ctx *ctx, const struct foreign *foreign, const struct oauth_identity *who,
                            const json_t *claims)
{
    struct user *user = account_of(ctx, foreign, who, claims);
    if (user && user->status != USER_ACTIVE)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "this account is suspended");
    return user ? foreign_roles_keep(ctx, foreign, who->provider, claims, user) : NULL;
}

static const struct session *begin(struct ctx *ctx, const struct foreign *foreign, const struct issuer *issuer,
                                   const json_t *claims, const char *id, int64_t expires_at)
{
    struct oauth_identity who;
    if (!identity_of(ctx, issuer, claims, &who))
        return NULL;
    const struct user *user = user_of(ctx, foreign, &who, claims);
    const struct device device = { .name = who.provider };
    if (!user || !session_of_token(ctx, foreign->signin->sessions, user, &device, id, expires_at))
        return NULL;
    return session_get(ctx, foreign->signin->sessions, id);
}

static const struct session *find(struct ctx *ctx, const struct foreign *foreign, const char *id, bool *none)
{
    const struct session *session = session_get(ctx, foreign->signin->sessions, id);
    *none = !session && ctx_forgive(ctx, ERROR_NOT_FOUND);
    return session;
}

bool foreign_token_check(struct ctx *ctx, const struct foreign *foreign, struct issuer *issuer, const char *token,
                         struct named *out)
{
    _cleanup_(json_decrefp) json_t *claims = NULL;
    if (!trusted_verify(ctx, foreign->trusted, issuer, token, &claims))
        return false;
    int64_t expires_at = jwt_claim_time(claims, "exp") * 1000, holds_until = clock_now_ms() + foreign->ttl_ms;
    const char *id = session_id_of(&ctx->arena, token);
    bool none;
    const struct session *session = find(ctx, foreign, id, &none);
    if (none)
        session = begin(ctx, foreign, issuer, claims, id, expires_at);
    if (!session)
        return false;
    *out = (struct named){ id, session->user_id, expires_at < holds_until ? expires_at : holds_until };
    return true;
}
