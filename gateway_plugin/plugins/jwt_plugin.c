/*
 * Kong's jwt: a signed token in a header, the query or a cookie, checked by the
 * keys of the file's consumers. With `jwks: auth` (ours) also by auth's own keys,
 * which are known here: no service is asked about a token. 401 without a good
 * one, 503 where auth's keys are not to be had.
 */
#include "plugins/plugins.h"

#include "base/catalogue.h"
#include "exchange/told.h"
#include "credential/auth_keys.h"
#include "base/clock.h"
#include "base/text.h"
#include "credential/credential.h"
#include "process/edge.h"
#include "client/head_check.h"
#include "nats/feed.h"
#include "credential/token_check.h"

#include <limits.h>

struct jwt {
    struct texts uri_param_names, cookie_names, header_names, claims_to_verify;
    const char *key_claim_name, *realm;
    bool secret_is_base64, run_on_preflight;
    int64_t maximum_expiration; /* seconds; 0: not looked at */
    int jwks;
    const char *jwks_issuer, *jwks_audience;
    struct anonymous anonymous;
};

enum { JWKS_NONE, JWKS_AUTH };
static const char *const sets[] = { "none", "auth", NULL };
static const char *const times[] = { "exp", "nbf", NULL };

static bool is_name(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

#define NAME_RULE .valid = is_name, .rule = "is no name: letters, digits and -_ up to 64 characters"

static const struct option options[] = {
    OPTION("uri_param_names", OPTION_TEXTS, struct jwt, uri_param_names, NAME_RULE),
    OPTION("cookie_names", OPTION_TEXTS, struct jwt, cookie_names, NAME_RULE),
    OPTION("header_names", OPTION_TEXTS, struct jwt, header_names, NAME_RULE),
    OPTION("key_claim_name", OPTION_TEXT, struct jwt, key_claim_name),
    OPTION("secret_is_base64", OPTION_FLAG, struct jwt, secret_is_base64),
    OPTION("claims_to_verify", OPTION_TEXTS, struct jwt, claims_to_verify, .choices = times),
    OPTION("anonymous", OPTION_TEXT, struct jwt, anonymous.name),
    OPTION("run_on_preflight", OPTION_FLAG, struct jwt, run_on_preflight),
    OPTION("maximum_expiration", OPTION_INTEGER, struct jwt, maximum_expiration, .min = 0, .max = 31536000),
    OPTION("realm", OPTION_TEXT, struct jwt, realm, REALM_RULE),
    OPTION("jwks", OPTION_CHOICE, struct jwt, jwks, .choices = sets,
           .ours = "tokens of tonearm's auth service too, by its keys"),
    OPTION("jwks_issuer", OPTION_TEXT, struct jwt, jwks_issuer, .ours = "their `iss`"),
    OPTION("jwks_audience", OPTION_TEXT, struct jwt, jwks_audience, .ours = "their `aud`"),
    { 0 },
};

static void defaults(void *config)
{
    static const char *params[] = { "jwt" }, *headers[] = { "authorization" };
    *(struct jwt *)config = (struct jwt){ .uri_param_names = { params, 1 },
                                          .header_names = { headers, 1 },
                                          .key_claim_name = "iss",
                                          .run_on_preflight = true,
                                          .jwks_issuer = "tonearm",
                                          .jwks_audience = "tonearm" };
}

static bool verifies(const struct jwt *jwt, const char *claim)
{
    for (size_t i = 0; i < jwt->claims_to_verify.count; i++)
        if (strcmp(jwt->claims_to_verify.items[i], claim) == 0)
            return true;
    return false;
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct jwt *jwt = config;
    if (!jwt->uri_param_names.count && !jwt->cookie_names.count && !jwt->header_names.count)
        fault(faults, node->line, field_path(faults, path, "header_names"),
              "a token must be taken from a header, the query or a cookie");
    if (jwt->maximum_expiration && !verifies(jwt, "exp"))
        fault(faults, node->line, field_path(faults, path, "claims_to_verify"),
              "must hold exp where there is a maximum_expiration");
}

static void link_config(struct faults *faults, const struct config *config, const struct kong_plugin *row)
{
    struct jwt *jwt = row->config;
    anonymous_link(&jwt->anonymous, faults, config, row);
    struct texts *names = &jwt->header_names, lower = { arena_array(faults->arena, const char *, names->count + 1), 0 };
    for (; lower.count < names->count; lower.count++)
        lower.items[lower.count] = text_lower(faults->arena, names->items[lower.count]);
    *names = lower;
}

static void name_secrets(const void *config, void (*add)(void *self, const struct texts *names), void *self)
{
    const struct jwt *jwt = config;
    add(self, &jwt->uri_param_names);
    add(self, &jwt->cookie_names);
    add(self, &jwt->header_names);
}

/* Answers */

static enum verdict unavailable(struct exchange *x)
{
    exchange_refuse(x, 503, "tokens cannot be checked at the moment");
    return VERDICT_ANSWERED;
}

/* RFC 6750, 3: what is wrong is said where there was a token. */
static enum verdict refuse(struct exchange *x, const struct jwt *jwt, bool sent, const char *message)
{
    if (anonymous_takes(x, &jwt->anonymous))
        return VERDICT_NEXT;
    const char *realm = jwt->realm ? exchange_printf(x, " realm=\"%s\"", jwt->realm) : "";
    exchange_header(x, "www-authenticate",
                    exchange_printf(x, "Bearer%s%s%s", realm, jwt->realm && sent ? "," : "",
                                    sent ? " error=\"invalid_token\"" : ""));
    exchange_refuse(x, 401, message);
    return VERDICT_ANSWERED;
}

/* Where the token is */

struct found {
    h2o_iovec_t token;
    size_t count; /* of different ones */
};

static void note(struct found *found, size_t count, h2o_iovec_t token)
{
    if (!count ||
        (found->count && found->token.len == token.len && memcmp(found->token.base, token.base, token.len) == 0))
        return;
    found->token = token;
    found->count += count;
}

/* What follows `Bearer`. */
static bool strip_scheme(h2o_iovec_t *value)
{
    static const char scheme[] = "bearer";
    enum { SIZE = sizeof scheme - 1 };
    while (value->len && *value->base == ' ')
        *value = h2o_iovec_init(value->base + 1, value->len - 1);
    if (value->len <= SIZE || strncasecmp(value->base, scheme, SIZE) != 0 || value->base[SIZE] != ' ')
        return false;
    *value = h2o_iovec_init(value->base + SIZE, value->len - SIZE);
    while (value->len && *value->base == ' ')
        *value = h2o_iovec_init(value->base + 1, value->len - 1);
    return value->len;
}

static struct found find_token(struct exchange *x, const struct jwt *jwt)
{
    struct found found = { 0 };
    h2o_iovec_t token;
    for (size_t i = 0; i < jwt->uri_param_names.count; i++)
        note(&found, credential_in_query(x, jwt->uri_param_names.items[i], &token), token);
    for (size_t i = 0; i < jwt->cookie_names.count; i++)
        note(&found, credential_in_cookie(x, jwt->cookie_names.items[i], &token), token);
    for (size_t i = 0; i < jwt->header_names.count; i++)
        if (credential_in_header(x, jwt->header_names.items[i], &token) && strip_scheme(&token))
            note(&found, 1, token);
    return found;
}

/* By the keys of the file's consumers */

/* NULL: as it should be. */
static const char *time_fault(const struct jwt *jwt, const json_t *claims)
{
    double now = (double)clock_now_ms() / 1000;
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    if (verifies(jwt, "exp") && !json_is_number(exp))
        return MESSAGE("exp: must be a number");
    if (verifies(jwt, "exp") && json_number_value(exp) <= now)
        return MESSAGE("exp: token expired");
    if (verifies(jwt, "nbf") && !json_is_number(nbf))
        return MESSAGE("nbf: must be a number");
    if (verifies(jwt, "nbf") && json_number_value(nbf) > now)
        return MESSAGE("nbf: token not valid yet");
    if (jwt->maximum_expiration && json_number_value(exp) - now > (double)jwt->maximum_expiration)
        return MESSAGE("exp: exceeds maximum allowed expiration");
    return NULL;
}

static const char *signer_name(const struct jwt *jwt, const struct token *token)
{
    const char *name = json_string_value(json_object_get(token->claims, jwt->key_claim_name));
    return name ? name : json_string_value(json_object_get(token->head, jwt->key_claim_name));
}

static const char *signature_fault(struct exchange *x, const struct jwt *jwt, const struct kong_signer *signer,
                                   const struct token *token)
{
    bool decoded = jwt->secret_is_base64 && token_is_symmetric(signer->algorithm);
    const struct token_key *key = decoded ? &signer->by_decoded : &signer->by;
    if (!text_equal(json_string_value(json_object_get(token->head, "alg")), token_alg_names[signer->algorithm]))
        return MESSAGE("Invalid algorithm");
    if (!key->secret && !key->public_key)
        return MESSAGE("Invalid key/secret");
    return token_check(x->loop, signer->print, key, token) ? NULL : MESSAGE("Invalid signature");
}

static enum verdict judge_by_signer(struct exchange *x, const struct jwt *jwt, const struct token *token)
{
    const char *name = signer_name(jwt, token), *claim = jwt->key_claim_name;
    if (!name || !*name)
        return refuse(x, jwt, true,
                      exchange_say(x, name ? "Invalid '%s' in claims" : "No mandatory '%s' in claims", claim));
    const struct kong_signer *signer = config_signer(x->config, name);
    if (!signer)
        return refuse(x, jwt, true, exchange_say(x, "No credentials found for given '%s'", claim));
    const char *fault = signature_fault(x, jwt, signer, token);
    fault = fault ? fault : time_fault(jwt, token->claims);
    if (fault)
        return refuse(x, jwt, true, fault);
    exchange_identify_consumer(x, signer->consumer, signer->key);
    return VERDICT_NEXT;
}

/* By auth's keys */

static const char *keep(struct exchange *x, const char *text)
{
    return text && is_field_value(text, strlen(text)) ? exchange_printf(x, "%s", text) : NULL;
}

/* A consumer of the file with the user's id as its custom_id is who asks. */
static void identify_user(struct exchange *x, const struct jwt_claims *claims)
{
    const struct kong_consumer *consumer = config_consumer_known_as(x->config, claims->subject);
    const char *credential = keep(x, claims->session ? claims->session : claims->id);
    if (consumer)
        exchange_identify_consumer(x, consumer, credential ? credential : consumer->id);
    else
        exchange_identify(x, &(struct identity){ .id = keep(x, claims->subject),
                                                 .custom_id = keep(x, claims->subject),
                                                 .credential = credential ? credential : "token" });
}

static enum verdict judge_by_auth(struct ctx *ctx, struct exchange *x, const struct jwt *jwt,
                                  const struct jwt_keys *keys, const struct token *token)
{
    struct jwt_claims claims;
    if (!token_check_by_auth(ctx, x->loop, keys, token, jwt->jwks_issuer, jwt->jwks_audience, &claims))
        return refuse(x, jwt, true, exchange_printf(x, "%s", ctx->error->message));
    if (claims.session && feed_revoked(x->loop->edge->feed, REVOKED_SESSION, claims.session, 0))
        return refuse(x, jwt, true, "the session has ended");
    /* A replica of auth that had not heard of it yet may have told us this key. */
    if (feed_revoked(x->loop->edge->feed, REVOKED_SESSION, claims.key, 0))
        return refuse(x, jwt, true, "the token's key has been revoked");
    identify_user(x, &claims);
    return VERDICT_NEXT;
}

struct waiting {
    struct exchange *x;
    const struct jwt *jwt;
    h2o_iovec_t token;
};

enum keys_asked { ASKED_NOT, ASKED_ANSWERED, ASKED_IN_VAIN };

static enum verdict judge(struct exchange *x, const struct jwt *jwt, h2o_iovec_t text, enum keys_asked asked);

static void on_keys(void *self, bool answered)
{
    struct waiting *waiting = self;
    waiting->x->cancel = NULL;
    if (judge(waiting->x, waiting->jwt, waiting->token, answered ? ASKED_ANSWERED : ASKED_IN_VAIN) == VERDICT_NEXT)
        exchange_resume(waiting->x);
}

/* false: there is nothing to wait for. */
static bool wait_for_keys(struct exchange *x, const struct jwt *jwt, h2o_iovec_t text, bool unknown)
{
    struct waiting *waiting = h2o_mem_alloc_pool(&x->req->pool, sizeof *waiting);
    *waiting = (struct waiting){ x, jwt, text };
    struct keys_waiter *waiter = auth_keys_wait(x->loop->edge->auth_keys, x->loop, unknown, on_keys, waiting);
    if (waiter)
        exchange_wait(x, keys_waiter_cancel, waiter);
    return waiter;
}

/* A token that names a key, which is auth's unless it is a consumer's. */
static enum verdict judge_named(struct ctx *ctx, struct exchange *x, const struct jwt *jwt, const struct token *token,
                                h2o_iovec_t text, enum keys_asked asked)
{
    const char *kid = json_string_value(json_object_get(token->head, "kid")), *name = signer_name(jwt, token);
    struct auth_keys *all = x->loop->edge->auth_keys;
    struct jwt_keys *keys = all ? auth_keys_get(all) : NULL;
    enum verdict verdict;
    if (keys && jwt_keys_has(keys, kid))
        verdict = judge_by_auth(ctx, x, jwt, keys, token);
    else if (name && config_signer(x->config, name))
        verdict = judge_by_signer(x, jwt, token);
    else if (all && asked == ASKED_NOT && wait_for_keys(x, jwt, text, keys))
        verdict = VERDICT_WAIT;
    else if (!keys || asked == ASKED_IN_VAIN)
        verdict = unavailable(x);
    else
        verdict = refuse(x, jwt, true, "No credentials found for given 'kid'");
    jwt_keys_unref(keys);
    return verdict;
}

static enum verdict judge(struct exchange *x, const struct jwt *jwt, h2o_iovec_t text, enum keys_asked asked)
{
    struct ctx ctx = { .request_id = x->request_id, .traceparent = x->traceparent };
    struct token token;
    const char *fault = token_read(&ctx.arena, arena_memdup(&ctx.arena, text.base, text.len), &token);
    enum verdict verdict;
    if (fault)
        verdict = refuse(x, jwt, true, exchange_say(x, "Bad token; %s", told(x, fault)));
    else if (jwt->jwks == JWKS_AUTH && json_is_string(json_object_get(token.head, "kid")))
        verdict = judge_named(&ctx, x, jwt, &token, text, asked);
    else
        verdict = judge_by_signer(x, jwt, &token);
    token_finish(&token);
    ctx_finish(&ctx);
    return verdict;
}

static enum verdict access_token(struct exchange *x, const void *config)
{
    const struct jwt *jwt = config;
    if ((x->method == METHOD_OPTIONS && !jwt->run_on_preflight) || anonymous_satisfied(x, &jwt->anonymous))
        return VERDICT_NEXT;
    struct found found = find_token(x, jwt);
    if (!found.count)
        return refuse(x, jwt, false, "Unauthorized");
    if (found.count > 1)
        return refuse(x, jwt, true, "Multiple tokens provided");
    return judge(x, jwt, found.token, ASKED_NOT);
}

const struct plugin jwt_plugin = {
    .name = "jwt",
    .identifies = true,
    .no_consumer = true,
    .config_size = sizeof(struct jwt),
    .options = options,
    .defaults = defaults,
    .check = check,
    .secrets = name_secrets,
    .link = link_config,
    .access = access_token,
};
