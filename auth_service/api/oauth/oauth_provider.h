#pragma once
/*
 * The OpenID Connect providers that people may sign in by, as the operator names them: AUTH_OIDC_PROVIDERS=google,work,
 * and for each AUTH_OIDC_WORK_ISSUER, AUTH_OIDC_WORK_CLIENT_ID, ... (docs/oidc.md). Of `google` the issuer is known.
 */
#include "base/settings_group.h"

struct oauth_provider_settings {
    const char *name; /* in addresses: /oauth/{name}/start */
    const char *issuer, *client_id, *scopes, *ca_file;
    struct secret client_secret; /* none: a public client, held by PKCE alone */
    int64_t timeout_ms;          /* for each of its answers; 0 = as fetch() has it */
    bool trust_email;            /* an address that comes without email_verified counts as verified */
};

extern const struct setting_group oauth_provider_group; /* of struct oauth_provider_settings */

struct issuer;

struct oauth_provider {
    const struct oauth_provider_settings *set;
    struct issuer *issuer;
};
