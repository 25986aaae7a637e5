#pragma once
/* Whom an ID token names (OpenID Connect Core, 2 and 5.1). */
#include "base/ctx.h"
#include "oauth/oauth_provider.h"

#include <jansson.h>

struct oauth_identity {
    const char *provider; /* its name */
    const char *issuer;
    const char *link;  /* "ISSUER SUBJECT": what this person is known by for good */
    const char *email; /* NULL: none that could be an address */
    bool verified;     /* the provider says that the address is this person's */
    const char *name, *picture;
};

/* From the claims of a token that issuer_verify() has taken. ERROR_UNAUTHORIZED for a subject that cannot be kept. */
bool oauth_identity_of(struct ctx *ctx, const struct oauth_provider_settings *set, const json_t *claims,
                       struct oauth_identity *out);
