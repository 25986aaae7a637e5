#pragma once
/*
 * One-time codes: six digits, sent to an address of mail, good for ten minutes and for one use; a newer one of the same
 * purpose replaces it. At most five an hour go out for an account. Five wrong tries in an hour, whatever codes they
 * were made on, and none is good for that account until one of the tries is an hour old: whoever guesses has five in a
 * million. In the store stands an HMAC under the master secret; the code itself leaves in the stream OTP, with the
 * write that makes it.
 */
#include "base/settings.h"
#include "user/user.h"

enum code_purpose { CODE_VERIFY, CODE_RESET, CODE_PURPOSES };

enum {
    CODE_DIGITS = 6,
    CODE_LIVES_MS = 10 * 60 * 1000,
    CODE_WINDOW_MS = 3600 * 1000,
    CODES_MAX = 5,
    CODE_TRIES_MAX = 5,
};

struct codes {
    struct store *store;
    const struct secret *master;
};

/*
 * `user` NULL: there is no account with this address. All is done and written as if there were, but for the sending, so
 * that nobody learns of it by the time it takes. ERROR_LIMITED where five have gone out within the hour.
 */
bool code_send(struct ctx *ctx, const struct codes *codes, const struct user *user, const char *email,
               enum code_purpose purpose);
/* Uses the code up. ERROR_UNAUTHORIZED, the same for a wrong one, an old one, none, too many tries, and no account:
 * each after one write. */
bool code_redeem(struct ctx *ctx, const struct codes *codes, const struct user *user, const char *email,
                 enum code_purpose purpose, const char *code);
/* A chore: removes what no longer counts. */
bool code_sweep(struct ctx *ctx, void *codes);
