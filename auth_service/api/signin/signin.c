#include "signin/signin.h"

#include "base/text.h"

static struct signed_in *let_in(struct ctx *ctx, const struct signin *signin, const struct user *user,
                                const struct origin *origin)
{
    struct signed_in *out = arena_new(&ctx->arena, struct signed_in);
    out->user = user_view(ctx, signin->users, user);
    struct held_session *held = out->user ? session_begin(ctx, signin->sessions, user, &origin->device) : NULL;
    out->tokens = held ? tokens_issue(ctx, signin->tokens, user, held, origin->client) : NULL;
    return out->tokens ? out : NULL;
}

struct signed_in *signup_basic(struct ctx *ctx, const struct signin *signin, const struct new_user *in,
                               const struct origin *origin)
{
    struct user *user = user_create(ctx, signin->users, in);
    return user ? let_in(ctx, signin, user, origin) : NULL;
}

struct signed_in *signin_basic(struct ctx *ctx, const struct signin *signin, const struct signin_basic *in,
                               const struct origin *origin)
{
    struct user *user = user_find(ctx, signin->users, in->email);
    if (!user && !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return NULL;

    /* Same answer, same cost, whatever is wrong: nobody may probe which addresses have an account. */
    bool outdated = false;
    bool matches = password_matches(ctx, in->password, user ? user->password : NULL, signin->users->cost, &outdated);
    if (ctx->error)
        return NULL;
    if (!user || !matches || user->status != USER_ACTIVE)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "wrong address or password");

    if (outdated)
        user_rehash(ctx, signin->users, user, in->password);
    return let_in(ctx, signin, user, origin);
}

bool signout(struct ctx *ctx, const struct signin *signin, const char *session_id)
{
    return session_end(ctx, signin->sessions, session_id);
}

bool signout_everywhere(struct ctx *ctx, const struct signin *signin, const char *user_id)
{
    struct user *user = user_end_sessions(ctx, signin->users, user_id);
    if (!user)
        return false;
    session_end_others(ctx, signin->sessions, user);
    return true;
}

struct new_password {
    const char *verified; /* the hash that `current` was checked against */
    const char *hash;
    const char *session; /* the one that stays */
};

static bool set_password(struct ctx *ctx, struct user *user, const void *with)
{
    const struct new_password *password = with;
    if (!text_equal(user->password, password->verified))
        return ctx_fail(ctx, ERROR_CONFLICT, "the password was changed meanwhile");
    user->password = password->hash;
    user->epoch++;
    user->spared = password->session;
    return true;
}

bool password_change(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *session_id,
                     const struct password_change *in)
{
    struct user *user = user_get(ctx, signin->users, user_id);
    if (!user)
        return false;
    if (!password_matches(ctx, in->current, user->password, signin->users->cost, NULL))
        return ctx->error ? false : ctx_fail(ctx, ERROR_UNAUTHORIZED, "the current password is wrong");

    struct new_password password = { user->password, password_hash(ctx, in->password, signin->users->cost),
                                     session_id };
    if (!password.hash)
        return false;
    user = user_edit(ctx, signin->users, user_id, set_password, &password);
    if (user)
        session_end_others(ctx, signin->sessions, user);
    return user;
}

struct user *suspend_or_restore(struct ctx *ctx, const struct signin *signin, const char *user_id,
                                enum user_status status)
{
    struct user *user = user_set_status(ctx, signin->users, user_id, status);
    if (user && status == USER_SUSPENDED)
        session_end_others(ctx, signin->sessions, user);
    return user;
}
