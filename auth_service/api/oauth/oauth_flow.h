#pragma once
/*
 * A sign-in under way at a provider, from /start to /callback. What has to be known then goes along with the browser,
 * in a cookie: sealed by the vault and bound to `state`, so that it says nothing to the browser, fits no other state,
 * and any replica can open it; /start writes nothing to the store. RFC 9700, 4.7 (state), OpenID Connect Core 3.1.2.1
 * (nonce), RFC 7636 (PKCE).
 */
#include "crypto/vault.h"

enum {
    OAUTH_FLOW_MS = 10 * 60 * 1000, /* as long as a person has at the provider */
    OAUTH_COOKIE_MAX = 4000,
};

struct oauth_flow {
    const char *provider; /* its name in the settings: an answer of another is not mixed up with its (RFC 9700, 4.4) */
    const char *nonce;    /* the ID token repeats it */
    const char *verifier; /* RFC 7636: 43 characters */
    const char *redirect; /* redirect_uri as it was sent */
    const char *client;   /* the id of the API key that /start came with; NULL = none */
    int64_t until;        /* unix ms */
};

/* A new one: nonce, verifier and until. */
struct oauth_flow oauth_flow_begin(struct ctx *ctx);
/* BASE64URL(SHA-256(verifier)): S256. */
char *oauth_flow_challenge(struct ctx *ctx, const struct oauth_flow *flow);

/* For the cookie. `state` is what the provider gives back. ERROR_UNAVAILABLE: the vault. */
char *oauth_flow_seal(struct ctx *ctx, const struct vault *vault, const char *state, const struct oauth_flow *flow);
/* ERROR_UNAUTHORIZED where `sealed` (NULL: no cookie) is not of this state, is too old or of another provider. */
bool oauth_flow_open(struct ctx *ctx, const struct vault *vault, const char *state, const char *sealed,
                     const char *provider, struct oauth_flow *out);
