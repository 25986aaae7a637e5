#include "token/refresh.h"

/* A person who is gone, or whose sessions were ended, is refused; the session's document goes with it. */
static struct user *owner(struct ctx *ctx, const struct refresh *refresh, const struct session *session)
{
    struct user *user = user_get(ctx, refresh->users, session->user_id);
    if (user && session_holds(ctx, session, user))
        return user;
    if (!ctx_forgive(ctx, ERROR_NOT_FOUND) && !ctx_forgive(ctx, ERROR_UNAUTHORIZED))
        return NULL;
    if (!session_end(ctx, refresh->sessions, session->doc.id))
        return NULL;
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the session has ended");
}

struct token_pair *refresh_tokens(struct ctx *ctx, const struct refresh *refresh, const struct refresh_request *in)
{
    struct jwt_claims claims = { 0 };
    if (in->access_token && !token_check(ctx, refresh->tokens, in->access_token, true, &claims))
        return NULL;
    struct held_session *held = session_refresh(ctx, refresh->sessions, in->refresh_token, claims.session, &in->device);
    if (!held)
        return NULL;
    const struct user *user = owner(ctx, refresh, held->session);
    return user ? tokens_issue(ctx, refresh->tokens, user, held, in->client, NULL) : NULL;
}
