#include "recovery/recovery.h"

#include "audit/deed.h"
#include "base/clock.h"

static bool redeem(struct ctx *ctx, const struct recovery *recovery, const struct user *user, const char *email,
                   enum code_purpose purpose, const char *code, const struct attempt *attempt,
                   const struct device *device)
{
    if (code_redeem(ctx, recovery->codes, user, email, purpose, code)) {
        lockout_passed(ctx, recovery->lockout, attempt);
        return true;
    }
    if (ctx->error->code != ERROR_UNAUTHORIZED)
        return false;
    lockout_failed(ctx, recovery->lockout, attempt);
    audit_refused(ctx, recovery->audit,
                  &(struct audit_entry){ .actor = ACTOR_UNKNOWN,
                                         .action = "code.refused",
                                         .target = user ? user->doc.id : NULL,
                                         .address = device->address,
                                         .device = device->name });
    return false;
}

/* Who had the code. */
static bool deed_by(struct ctx *ctx, const struct recovery *recovery, const struct user *user, const char *action,
                    const struct device *device)
{
    return deed_of(ctx, recovery->users->vault, (struct deed){ .by = user->doc.id, .action = action },
                   &(struct whence){ device->address, device->name });
}

static struct user *unverified(struct ctx *ctx, const struct recovery *recovery, const char *user_id)
{
    struct user *user = user_get(ctx, recovery->users, user_id);
    if (user && user->verified_at)
        return ctx_fail(ctx, ERROR_CONFLICT, "this address is verified");
    return user;
}

static bool set_verified(struct ctx *ctx, struct user *user, const void *with)
{
    (void)ctx;
    (void)with;
    user->verified_at = clock_now_ms();
    return true;
}

bool email_verify(struct ctx *ctx, const struct recovery *recovery, const char *user_id, const char *code,
                  const struct origin *origin)
{
    struct attempt attempt;
    const struct user *user = unverified(ctx, recovery, user_id);
    return user && lockout_admit(ctx, recovery->lockout, user->email, origin->device.address, &attempt) &&
           redeem(ctx, recovery, user, user->email, CODE_VERIFY, code, &attempt, &origin->device) &&
           deed_by(ctx, recovery, user, "email.verified", &origin->device) &&
           user_edit(ctx, recovery->users, user_id, set_verified, NULL);
}

bool email_resend(struct ctx *ctx, const struct recovery *recovery, const char *user_id)
{
    const struct user *user = unverified(ctx, recovery, user_id);
    return user && code_send(ctx, recovery->codes, user, user->email, CODE_VERIFY);
}

/* *user NULL: there is no account that could come in. false: it cannot be told. */
static bool find_active(struct ctx *ctx, const struct recovery *recovery, const char *email, struct user **user)
{
    *user = user_find(ctx, recovery->users, email);
    if (*user && (*user)->status != USER_ACTIVE)
        *user = NULL;
    return !ctx->error || ctx_forgive(ctx, ERROR_NOT_FOUND);
}

bool password_forgot(struct ctx *ctx, const struct recovery *recovery, const char *email)
{
    struct user *user;
    /* Of nothing, as for a sign-in: beside its time it does not show that a code has left and wakes who relays it. */
    password_matches(ctx, email, NULL, recovery->users->cost, NULL);
    return !ctx->error && find_active(ctx, recovery, email, &user) &&
           (code_send(ctx, recovery->codes, user, email, CODE_RESET) || ctx_forgive(ctx, ERROR_LIMITED));
}

static bool set_password(struct ctx *ctx, struct user *user, const void *with)
{
    user->password = with;
    user->epoch++;
    user->spared = NULL;
    return user->verified_at || set_verified(ctx, user, NULL);
}

bool password_reset(struct ctx *ctx, const struct recovery *recovery, const struct password_reset *in,
                    const struct origin *origin)
{
    struct attempt attempt;
    struct user *user;
    if (!lockout_admit(ctx, recovery->lockout, in->email, origin->device.address, &attempt) ||
        !find_active(ctx, recovery, in->email, &user))
        return false;
    /* Before the code is looked at: its time tells nothing, and a code is not used up for want of memory. */
    const char *hash = password_hash(ctx, in->password, recovery->users->cost);
    if (!hash || !redeem(ctx, recovery, user, in->email, CODE_RESET, in->code, &attempt, &origin->device) ||
        !deed_by(ctx, recovery, user, "password.reset", &origin->device))
        return false;
    user = user_edit(ctx, recovery->users, user->doc.id, set_password, hash);
    if (user)
        session_end_others(ctx, recovery->sessions, user);
    return user;
}
