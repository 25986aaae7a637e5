#include "oauth/oauth_flow.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "record/record.h"

#include <string.h>

enum { SECRET_BYTES = 32 }; /* RFC 7636, 4.1: a verifier of 43 characters; the nonce likewise */

static const char purpose[] = "oauth-flow";

static const struct field flow_fields[] = {
    FIELD("provider", TEXT, struct oauth_flow, provider, .required = true),
    FIELD("nonce", TEXT, struct oauth_flow, nonce, .required = true, .sensitive = true),
    FIELD("verifier", TEXT, struct oauth_flow, verifier, .required = true, .sensitive = true),
    FIELD("redirect", TEXT, struct oauth_flow, redirect, .required = true),
    FIELD("client", TEXT, struct oauth_flow, client),
    FIELD("until", INTEGER, struct oauth_flow, until, .required = true),
    { 0 },
};

struct oauth_flow oauth_flow_begin(struct ctx *ctx)
{
    return (struct oauth_flow){ .nonce = random_text(&ctx->arena, SECRET_BYTES),
                                .verifier = random_text(&ctx->arena, SECRET_BYTES),
                                .until = clock_now_ms() + OAUTH_FLOW_MS };
}

char *oauth_flow_challenge(struct ctx *ctx, const struct oauth_flow *flow)
{
    unsigned char hash[SHA256_SIZE];
    sha256(flow->verifier, strlen(flow->verifier), hash);
    return base64url(&ctx->arena, hash, sizeof hash);
}

/* What a cookie is sealed to: with another state it does not open. */
static const char *bound(const char *state)
{
    return state;
}

char *oauth_flow_seal(struct ctx *ctx, const struct vault *vault, const char *state, const struct oauth_flow *flow)
{
    struct buf json = BUF(&ctx->arena);
    record_json(&json, flow_fields, flow);
    return vault_seal(ctx, vault, purpose, bound(state), json.data, json.size);
}

static bool refused(struct ctx *ctx)
{
    return ctx_fail(ctx, ERROR_UNAUTHORIZED,
                    "this sign-in was not begun in this browser, or too long ago: begin again");
}

bool oauth_flow_open(struct ctx *ctx, const struct vault *vault, const char *state, const char *sealed,
                     const char *provider, struct oauth_flow *out)
{
    size_t size;
    if (!state || !sealed || strlen(sealed) > OAUTH_COOKIE_MAX)
        return refused(ctx);
    const char *json = vault_unseal(ctx, vault, purpose, bound(state), sealed, &size);
    if (!json)
        return ctx_forgive(ctx, ERROR_INTERNAL) ? refused(ctx) : false;
    *out = (struct oauth_flow){ 0 };
    if (!record_parse(ctx, json, size, flow_fields, out))
        return false;
    if (out->until <= clock_now_ms())
        return refused(ctx);
    return text_equal(out->provider, provider) || refused(ctx);
}
