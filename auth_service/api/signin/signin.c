#include "signin/signin.h"

#include "app_password/app_password_store.h"
#include "audit/deed.h"
#include "base/log.h"
#include "base/text.h"

struct signed_in *signin_let_in(struct ctx *ctx, const struct signin *signin, const struct user *user,
                                const struct origin *origin, const char *how)
{
    struct signed_in *out = arena_new(&ctx->arena, struct signed_in);
    out->user = user_view(ctx, signin->users, user);
    struct held_session *held = out->user ? session_begin(ctx, signin->sessions, user, &origin->device, how) : NULL;
    out->tokens = held ? tokens_issue(ctx, signin->tokens, user, held, origin->client, origin->nonce) : NULL;
    return out->tokens ? out : NULL;
}

struct signed_in *signup_basic(struct ctx *ctx, const struct signin *signin, const struct new_user *in,
                               const struct origin *origin)
{
    struct user *user = user_create(ctx, signin->users, in);
    if (!user)
        return NULL;
    if (!code_send(ctx, signin->codes, user, user->email, CODE_VERIFY)) {
        log_failure(LOG_WARN, ctx, "no code was sent to a new account"); /* there is /email/verify/resend */
        ctx->error = NULL;
    }
    return signin_let_in(ctx, signin, user, origin, "signup");
}

struct signed_in *signin_basic(struct ctx *ctx, const struct signin *signin, const struct signin_basic *in,
                               const struct origin *origin)
{
    struct attempt attempt;
    if (!lockout_admit(ctx, signin->lockout, in->email, origin->device.address, &attempt))
        return NULL;
    struct user *user = user_find(ctx, signin->users, in->email);
    if (!user && !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return NULL;

    /* Same answer, same cost, whatever is wrong: nobody may probe which addresses have an account. */
    bool outdated = false;
    bool matches = password_matches(ctx, in->password, user ? user->password : NULL, signin->users->cost, &outdated);
    if (ctx->error)
        return NULL;
    if (!user || !matches || user->status != USER_ACTIVE) {
        lockout_failed(ctx, signin->lockout, &attempt);
        audit_refused(ctx, signin->audit,
                      &(struct audit_entry){ .actor = ACTOR_UNKNOWN,
                                             .action = "signin.refused",
                                             .target = user ? user->doc.id : NULL,
                                             .detail = !user      ? "account"
                                                       : !matches ? "password"
                                                                  : "suspended",
                                             .address = origin->device.address,
                                             .device = origin->device.name });
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "wrong address or password");
    }
    lockout_passed(ctx, signin->lockout, &attempt);
    if (outdated)
        user_rehash(ctx, signin->users, user, in->password);
    return signin_let_in(ctx, signin, user, origin, "password");
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

/* Who holds somebody's token must not find out the password with it. */
static bool is_own_password(struct ctx *ctx, const struct signin *signin, const struct user *user, const char *password,
                            const struct origin *origin)
{
    struct attempt attempt;
    if (!lockout_admit(ctx, signin->lockout, user->email, origin->device.address, &attempt))
        return false;
    if (password_matches(ctx, password, user->password, signin->users->cost, NULL)) {
        lockout_passed(ctx, signin->lockout, &attempt);
        return true;
    }
    if (ctx->error)
        return false;
    lockout_failed(ctx, signin->lockout, &attempt);
    audit_refused(ctx, signin->audit,
                  &(struct audit_entry){ .actor = ACTOR_UNKNOWN,
                                         .by = user->doc.id,
                                         .action = "password.refused",
                                         .target = user->doc.id,
                                         .address = origin->device.address,
                                         .device = origin->device.name });
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the current password is wrong");
}

bool password_change(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *session_id,
                     const struct password_change *in, const struct origin *origin)
{
    struct user *user = user_get(ctx, signin->users, user_id);
    if (!user || !is_own_password(ctx, signin, user, in->current, origin))
        return false;
    struct new_password password = { user->password, password_hash(ctx, in->password, signin->users->cost),
                                     session_id };
    if (!password.hash)
        return false;
    user = user_edit(ctx, signin->users, user->doc.id, set_password, &password);
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

bool account_delete(struct ctx *ctx, const struct signin *signin, const char *user_id)
{
    /* First what names a person and would be found by nobody afterwards. */
    if (!app_password_store_remove_before(ctx, signin->users->store, user_id, INT64_MAX))
        return false;
    const struct user *user = user_delete(ctx, signin->users, user_id);
    if (user)
        session_end_others(ctx, signin->sessions, user);
    return user;
}

bool account_delete_mine(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *password,
                         const struct origin *origin)
{
    bool administers = false;
    const struct user *user = user_get(ctx, signin->users, user_id);
    if (!user || !user_administers(ctx, signin->users, user, &administers))
        return false;
    if (administers)
        return ctx_fail(ctx, ERROR_CONFLICT, "another administrator takes ADMIN from you first");
    if (user->password && !is_own_password(ctx, signin, user, password ? password : "", origin))
        return false;
    return account_delete(ctx, signin, user_id);
}
