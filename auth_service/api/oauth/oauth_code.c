#include "oauth/oauth_code.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "issuer/fetch.h"

static const char *text_of(struct arena *arena, const json_t *root, const char *name)
{
    return arena_strdup(arena, json_string_value(json_object_get(root, name)));
}

/* A code that is wrong, or has been used, is the sign-in's fault; all else is ours or the provider's. */
static void *refused(struct ctx *ctx, const struct oauth_provider *provider, int status, const json_t *root)
{
    const char *error = text_of(&ctx->arena, root, "error");
    if (status < 500 && text_equal(error, "invalid_grant"))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the provider does not take this sign-in: begin again");
    log_warn(ctx, "a provider gives no token", "provider", provider->set->name, "error", error ? error : "");
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "the provider gives no token");
}

static const char *token_in(struct ctx *ctx, const struct oauth_provider *provider, const struct fetched *answer)
{
    _cleanup_(json_decrefp) json_t *root = json_loadb(answer->body, answer->size, JSON_REJECT_DUPLICATES, NULL);
    const char *token = answer->status == 200 ? text_of(&ctx->arena, root, "id_token") : NULL;
    return token ? token : refused(ctx, provider, answer->status, root);
}

const char *oauth_redeem(struct ctx *ctx, const struct oauth_provider *provider, const struct issuer_document *document,
                         const struct oauth_flow *flow, const char *code)
{
    const struct oauth_provider_settings *set = provider->set;
    const char *secret = secret_given(&set->client_secret) ? secret_value(ctx, &set->client_secret) : NULL;
    if (!document->token_endpoint || (!secret && secret_given(&set->client_secret)))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the provider gives no token");
    bool basic = secret && document->takes_basic;
    const struct pair form[] = {
        { "grant_type", "authorization_code" },
        { "code", code },
        { "redirect_uri", flow->redirect },
        { "code_verifier", flow->verifier },
        { basic ? NULL : "client_id", set->client_id },
        { basic || !secret ? NULL : "client_secret", secret },
        { 0 },
    };
    const struct fetch what = {
        .whom = "the provider",
        .url = document->token_endpoint,
        .ca_file = set->ca_file,
        .form = form,
        .limit_ms = set->timeout_ms,
        .user = basic ? set->client_id : NULL,
        .password = basic ? secret : NULL,
    };
    struct fetched answer;
    return fetch(ctx, &what, &answer) ? token_in(ctx, provider, &answer) : NULL;
}
