#pragma once
/* A code for an ID token, at the provider's token endpoint (RFC 6749, 4.1.3; RFC 7636, 4.5). */
#include "issuer/issuer.h"
#include "oauth/oauth_flow.h"
#include "oauth/oauth_provider.h"

/* Not verified. ERROR_UNAUTHORIZED: the provider does not take the code. ERROR_UNAVAILABLE: it is away, or does not
 * know us by these settings (the log tells). */
const char *oauth_redeem(struct ctx *ctx, const struct oauth_provider *provider, const struct issuer_document *document,
                         const struct oauth_flow *flow, const char *code);
