#pragma once
/*
 * `tr_<session id>_<generation>_<secret>`. The secret is an HMAC over both and
 * the session's salt, under a key made from the master secret: the same
 * successor can be told to all who ask at once, and neither the store nor the
 * master secret alone is enough to make one.
 */
#include "base/settings.h"

struct refresh_token {
    const char *session;
    int64_t generation;
    const char *secret;
};

enum { REFRESH_TOKEN_MAX = 128 };

/* false: not one in form. Nothing is checked yet. */
bool refresh_token_parse(struct ctx *ctx, const char *text, struct refresh_token *out);
char *refresh_token_write(struct ctx *ctx, const struct refresh_token *token);
/* NULL when the master secret cannot be read. */
char *refresh_token_secret(struct ctx *ctx, const struct secret *master, const char *session, int64_t generation,
                           const char *salt);
