#pragma once
/*
 * Sign-in by an OpenID Connect provider: authorization code with PKCE (RFC 7636), state, nonce, RFC 9207's iss, as
 * RFC 9700 asks. Knows no HTTP. Any thread; blocks while the provider is asked.
 */
#include "oauth/oauth_flow.h"
#include "oauth/oauth_provider.h"
#include "signin/signin.h"

#include <stdatomic.h>

struct oauth {
    const struct signin *signin;
    struct store *store;
    const struct vault *vault;
    const struct oauth_provider *providers;
    size_t count;
    const char *public_url; /* where browsers reach auth: "https://music.example.org/auth"; "" = as the request says */
    /* Sign-ins that wait for a provider. One that is slow must not hold all workers: past `waiting_max` 503. */
    atomic_int *waiting;
    int waiting_max;
};

/* Opens what is set; ERROR_INVALID. `*out` is an array in ctx->arena, to be closed. */
bool oauth_providers_open(struct ctx *ctx, const struct setting_items *set, const struct oauth_provider **out);
void oauth_providers_close(const struct oauth_provider *providers, size_t count);

struct oauth_begun {
    const char *location; /* of the provider, with all that it needs */
    const char *cookie;   /* value of the cookie that the callback needs */
};
/* `redirect`: the callback's address. ERROR_NOT_FOUND: no such provider. ERROR_UNAVAILABLE: it is away. */
struct oauth_begun *oauth_start(struct ctx *ctx, const struct oauth *oauth, const char *provider, const char *redirect,
                                const char *client);

/* Query of the callback, NULL where not there, and the cookie. */
struct oauth_answer {
    const char *provider;
    const char *code, *state, *error, *issuer;
    const char *cookie;
};
/*
 * ERROR_UNAUTHORIZED: not begun in this browser, too old, done with, or not proven by the provider. ERROR_FORBIDDEN:
 * the person said no. ERROR_UNAVAILABLE: the provider is away. And what oauth_account() fails with.
 */
struct signed_in *oauth_callback(struct ctx *ctx, const struct oauth *oauth, const struct oauth_answer *in,
                                 struct origin *origin);
