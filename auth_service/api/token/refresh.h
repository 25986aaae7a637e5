#pragma once
/* A refresh token for the next pair of tokens. */
#include "token/token.h"

struct refresh {
    const struct users *users;
    const struct sessions *sessions;
    const struct tokens *tokens;
};

struct refresh_request {
    const char *refresh_token;
    const char *access_token; /* sent along, or NULL: must be of the same session, may have expired */
    const char *client;
    struct device device;
};

/* ERROR_UNAUTHORIZED for whatever is not to be refreshed. */
struct token_pair *refresh_tokens(struct ctx *ctx, const struct refresh *refresh, const struct refresh_request *in);
