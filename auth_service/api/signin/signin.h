#pragma once
/* Who may come in: sign-up, sign-in, sign-out, and the change of a password. Knows no HTTP and no store. */
#include "audit/audit.h"
#include "code/code.h"
#include "lockout/lockout.h"
#include "token/token.h"
#include "user/user_view.h"

struct signin {
    const struct users *users;
    const struct sessions *sessions;
    const struct tokens *tokens;
    const struct codes *codes;
    struct lockout *lockout;
    const struct audit *audit;
};

/* Where the request comes from. */
struct origin {
    struct device device;
    const char *client; /* the API key's id, or NULL */
    const char *nonce;  /* for the ID token; NULL: none was given */
};

struct signin_basic {
    const char *email, *password, *nonce;
};

struct signed_in {
    struct user_view *user;
    struct token_pair *tokens;
};

/* ERROR_CONFLICT for a taken address. A code that verifies it is sent. */
struct signed_in *signup_basic(struct ctx *ctx, const struct signin *signin, const struct new_user *in,
                               const struct origin *origin);
/* ERROR_UNAUTHORIZED, the same and after the same time, for a wrong address, a wrong password and a suspended user.
 * ERROR_LIMITED: see lockout.h. */
struct signed_in *signin_basic(struct ctx *ctx, const struct signin *signin, const struct signin_basic *in,
                               const struct origin *origin);

/* A session for who has shown who they are; `how`: see session_begin(). */
struct signed_in *signin_let_in(struct ctx *ctx, const struct signin *signin, const struct user *user,
                                const struct origin *origin, const char *how);

bool signout(struct ctx *ctx, const struct signin *signin, const char *session_id);
bool signout_everywhere(struct ctx *ctx, const struct signin *signin, const char *user_id);

struct password_change {
    const char *current, *password;
};
/* Ends all sessions but this one. ERROR_UNAUTHORIZED when `current` is wrong, which counts as a guess: ERROR_LIMITED.
 */
bool password_change(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *session_id,
                     const struct password_change *in, const struct origin *origin);
/* What user_delete() does, and the sessions' documents with their addresses and devices. */
bool account_delete(struct ctx *ctx, const struct signin *signin, const char *user_id);
/* By the person: `password` is needed where they have one (ERROR_UNAUTHORIZED, ERROR_LIMITED as above).
 * ERROR_CONFLICT for an administrator: another one takes ADMIN from them first. */
bool account_delete_mine(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *password,
                         const struct origin *origin);
/* A suspension ends all sessions with the same write. */
struct user *suspend_or_restore(struct ctx *ctx, const struct signin *signin, const char *user_id,
                                enum user_status status);
