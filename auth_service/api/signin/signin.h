#pragma once
/* Who may come in: sign-up, sign-in, sign-out, and the change of a password. Knows no HTTP and no store. */
#include "token/token.h"
#include "user/user_view.h"

struct signin {
    const struct users *users;
    const struct sessions *sessions;
    const struct tokens *tokens;
};

/* Where the request comes from. */
struct origin {
    struct device device;
    const char *client; /* the API key's id, or NULL */
};

struct signin_basic {
    const char *email, *password;
};

struct signed_in {
    struct user_view *user;
    struct token_pair *tokens;
};

/* ERROR_CONFLICT for a taken address. */
struct signed_in *signup_basic(struct ctx *ctx, const struct signin *signin, const struct new_user *in,
                               const struct origin *origin);
/* ERROR_UNAUTHORIZED, the same and after the same time, for a wrong address, a wrong password and a suspended user. */
struct signed_in *signin_basic(struct ctx *ctx, const struct signin *signin, const struct signin_basic *in,
                               const struct origin *origin);

bool signout(struct ctx *ctx, const struct signin *signin, const char *session_id);
bool signout_everywhere(struct ctx *ctx, const struct signin *signin, const char *user_id);

struct password_change {
    const char *current, *password;
};
/* Ends all sessions but this one. ERROR_UNAUTHORIZED when `current` is wrong. */
bool password_change(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *session_id,
                     const struct password_change *in);
/* A suspension ends all sessions with the same write. */
struct user *suspend_or_restore(struct ctx *ctx, const struct signin *signin, const char *user_id,
                                enum user_status status);
