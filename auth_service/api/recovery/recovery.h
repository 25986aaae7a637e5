#pragma once
/* What one-time codes are for: an address is its owner's, and a forgotten password. Knows no HTTP and no store. */
#include "code/code.h"
#include "signin/signin.h"

struct recovery {
    const struct users *users;
    const struct sessions *sessions;
    const struct codes *codes;
    struct lockout *lockout; /* a wrong code counts as a wrong password does */
    const struct audit *audit;
};

/* ERROR_CONFLICT: it is verified. ERROR_UNAUTHORIZED: see code_redeem(). ERROR_LIMITED: see lockout.h. */
bool email_verify(struct ctx *ctx, const struct recovery *recovery, const char *user_id, const char *code,
                  const struct origin *origin);
/* ERROR_CONFLICT; ERROR_LIMITED: see code_send(). */
bool email_resend(struct ctx *ctx, const struct recovery *recovery, const char *user_id);

/* The same for everybody, whether there is an account or not, and whether a code went out. */
bool password_forgot(struct ctx *ctx, const struct recovery *recovery, const char *email);

struct password_reset {
    const char *email, *code, *password;
};
/* Ends all sessions. Who could read the code has the address too: it is verified. */
bool password_reset(struct ctx *ctx, const struct recovery *recovery, const struct password_reset *in,
                    const struct origin *origin);
