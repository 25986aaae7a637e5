#include "oauth/oauth.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/percent.h"
#include "base/random.h"
#include "base/text.h"
#include "oauth/oauth_account.h"
#include "oauth/oauth_code.h"
#include "oauth/oauth_used.h"

#include <string.h>

enum { STATE_BYTES = 32, STATE_MAX = 64, CODE_MAX = 4096, SKEW_S = 60 };

bool oauth_providers_open(struct ctx *ctx, const struct setting_items *set, const struct oauth_provider **out)
{
    struct oauth_provider *providers = arena_array(&ctx->arena, struct oauth_provider, set->count + 1);
    const struct oauth_provider_settings *settings = set->items;
    *out = providers;
    for (size_t i = 0; i < set->count; i++) {
        const struct issuer_settings of = { .url = settings[i].issuer,
                                            .ca_file = settings[i].ca_file,
                                            .skew_s = SKEW_S,
                                            .limit_ms = settings[i].timeout_ms };
        providers[i] = (struct oauth_provider){ &settings[i], issuer_create(ctx, &of) };
        if (!providers[i].issuer)
            return false;
    }
    return true;
}

void oauth_providers_close(const struct oauth_provider *providers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        issuer_destroy(providers[i].issuer);
}

static const struct oauth_provider *find(struct ctx *ctx, const struct oauth *oauth, const char *name)
{
    for (size_t i = 0; i < oauth->count; i++)
        if (text_equal(oauth->providers[i].set->name, name))
            return &oauth->providers[i];
    return ctx_fail(ctx, ERROR_NOT_FOUND, "there is no such provider");
}

static bool wait_begin(struct ctx *ctx, const struct oauth *oauth)
{
    if (atomic_fetch_add(oauth->waiting, 1) < oauth->waiting_max)
        return true;
    atomic_fetch_sub(oauth->waiting, 1);
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many wait for providers");
}

static void wait_end(const struct oauth *oauth)
{
    atomic_fetch_sub(oauth->waiting, 1);
}

static bool discover(struct ctx *ctx, const struct oauth *oauth, const struct oauth_provider *provider,
                     struct issuer_document *out)
{
    if (!wait_begin(ctx, oauth))
        return false;
    bool good = issuer_discover(ctx, provider->issuer, out);
    wait_end(oauth);
    return good;
}

/* To the provider */

static void add_parameter(struct buf *out, const char *name, const char *value)
{
    buf_char(out, strchr(out->data, '?') ? '&' : '?');
    buf_printf(out, "%s=", name);
    percent_encode(out, value, strlen(value), "");
}

static const char *location(struct ctx *ctx, const struct oauth_provider *provider, const char *endpoint,
                            const char *state, const struct oauth_flow *flow)
{
    const struct pair parameters[] = {
        { "response_type", "code" },
        { "client_id", provider->set->client_id },
        { "redirect_uri", flow->redirect },
        { "scope", provider->set->scopes },
        { "state", state },
        { "nonce", flow->nonce },
        { "code_challenge", oauth_flow_challenge(ctx, flow) },
        { "code_challenge_method", "S256" },
        { 0 },
    };
    struct buf out = BUF(&ctx->arena);
    buf_text(&out, endpoint);
    for (const struct pair *one = parameters; one->name; one++)
        add_parameter(&out, one->name, one->value);
    return out.data;
}

struct oauth_begun *oauth_start(struct ctx *ctx, const struct oauth *oauth, const char *name, const char *redirect,
                                const char *client)
{
    const struct oauth_provider *provider = find(ctx, oauth, name);
    struct issuer_document document;
    if (!provider || !discover(ctx, oauth, provider, &document))
        return NULL;
    if (!document.authorization_endpoint)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the provider signs nobody in");
    struct oauth_flow flow = oauth_flow_begin(ctx);
    flow.provider = provider->set->name;
    flow.redirect = redirect;
    flow.client = client;
    const char *state = random_text(&ctx->arena, STATE_BYTES);
    struct oauth_begun *out = arena_new(&ctx->arena, struct oauth_begun);
    out->location = location(ctx, provider, document.authorization_endpoint, state, &flow);
    out->cookie = oauth_flow_seal(ctx, oauth->vault, state, &flow);
    return out->cookie ? out : NULL;
}

/* And back */

/* RFC 9207, 2.4: whose answer this is. */
static bool issuer_is_right(struct ctx *ctx, const struct oauth_provider *provider,
                            const struct issuer_document *document, const char *told)
{
    if (told ? text_equal(told, provider->set->issuer) : !document->tells_response_iss)
        return true;
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "this is the answer of another provider");
}

/* RFC 6749, 4.1.2.1 and OpenID Connect Core, 3.1.2.6. Only what is known is repeated. */
static void *declined(struct ctx *ctx, const char *error)
{
    if (text_equal(error, "access_denied"))
        return ctx_fail(ctx, ERROR_FORBIDDEN, "the sign-in was declined at the provider");
    if (text_equal(error, "server_error") || text_equal(error, "temporarily_unavailable"))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the provider cannot sign anybody in at the moment");
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the provider did not sign you in");
}

static bool code_is_there(struct ctx *ctx, const char *code)
{
    if (code && *code && strlen(code) <= CODE_MAX)
        return true;
    ctx_violation(ctx, "code", code ? "max" : "required", code ? "code is too long or empty" : "code is required");
    return false;
}

/* Before any of it is believed: that it answers what this browser began, once. */
static bool answers_us(struct ctx *ctx, const struct oauth *oauth, const struct oauth_provider *provider,
                       const struct oauth_answer *in, struct issuer_document *document, struct oauth_flow *flow)
{
    const char *state = in->state && strlen(in->state) <= STATE_MAX ? in->state : NULL;
    return oauth_flow_open(ctx, oauth->vault, state, in->cookie, provider->set->name, flow) &&
           discover(ctx, oauth, provider, document) && issuer_is_right(ctx, provider, document, in->issuer) &&
           oauth_use(ctx, oauth->store, state, flow->until);
}

static bool identify(struct ctx *ctx, const struct oauth_provider *provider, const struct issuer_document *document,
                     const struct oauth_flow *flow, const char *code, struct oauth_identity *out)
{
    const struct issuer_expect expect = { .typ = "JWT", .audience = provider->set->client_id, .nonce = flow->nonce };
    _cleanup_(json_decrefp) json_t *claims = NULL;
    const char *token = oauth_redeem(ctx, provider, document, flow, code);
    return token && issuer_verify(ctx, provider->issuer, token, &expect, &claims) &&
           oauth_identity_of(ctx, provider->set, claims, out);
}

struct signed_in *oauth_callback(struct ctx *ctx, const struct oauth *oauth, const struct oauth_answer *in,
                                 struct origin *origin)
{
    const struct oauth_provider *provider = find(ctx, oauth, in->provider);
    struct issuer_document document;
    struct oauth_flow flow;
    struct oauth_identity who;
    if (!provider || !answers_us(ctx, oauth, provider, in, &document, &flow))
        return NULL;
    if (in->error)
        return declined(ctx, in->error);
    if (!code_is_there(ctx, in->code) || !wait_begin(ctx, oauth))
        return NULL;
    bool good = identify(ctx, provider, &document, &flow, in->code, &who);
    wait_end(oauth);
    origin->client = flow.client;
    const struct user *user = good ? oauth_account(ctx, oauth->signin, &who, origin) : NULL;
    return user ? signin_let_in(ctx, oauth->signin, user, origin, provider->set->name) : NULL;
}
