/*
 * What other issuers tell: their access and ID tokens under a right signature,
 * their discovery documents, and the list of them in the reply to auth.jwks.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jwt_issuers.h"
#include "crypto/jwt_parts.h"
#include "fuzz.h"
#include "fuzz_keys.h"
#include "issuer/issuer_document.h"

#include <stdlib.h>
#include <string.h>

#define ISSUER "https://issuer.example"

enum { NOW = 1795200000, LEEWAY_S = 60 };

/* Made once. */
static struct {
    struct jwt_keys *keys;
    struct jwt_key key;
} known;

static void begin(void)
{
    if (known.keys)
        return;
    EVP_PKEY *key = fuzz_ec_key(1);
    known.key = (struct jwt_key){ .kid = "k-1", .alg = JWT_ES256, .key = key };
    known.keys = jwt_keys_create();
    EVP_PKEY_up_ref(key);
    jwt_keys_add(known.keys, known.key.kid, JWT_ES256, key);
}

static bool is_text(const json_t *object, const char *name, const char *wanted)
{
    return text_equal(json_string_value(json_object_get(object, name)), wanted);
}

static bool is_for_us(const json_t *audience)
{
    size_t i;
    const json_t *item;
    json_array_foreach(audience, i, item)
    {
        if (json_is_string(item) && text_equal(json_string_value(item), "tonearm"))
            return true;
    }
    return text_equal(json_string_value(audience), "tonearm");
}

static void check_claims(const json_t *claims, const struct jwt_foreign_expect *expect)
{
    must_hold(is_text(claims, "iss", ISSUER) && is_for_us(json_object_get(claims, "aud")), "theirs, for us");
    must_hold(json_string_length(json_object_get(claims, "sub")) > 0, "of somebody");
    must_hold(json_number_value(json_object_get(claims, "exp")) >= NOW + 1, "not expired, and not by a second");
    must_hold(json_number_value(json_object_get(claims, "nbf")) < NOW + LEEWAY_S + 1, "valid already");
    must_hold(jwt_claim_time(claims, "iat") > 0 && jwt_claim_time(claims, "iat") <= NOW + LEEWAY_S, "issued already");
    must_hold(!expect->nonce || is_text(claims, "nonce", expect->nonce), "of this sign-in");
}

/* Any head and any claims under a right signature. */
static void check_signed(struct ctx *ctx, struct input *input, const struct jwt_foreign_expect *expect)
{
    char *head = input_text(input), *body = input_text(input);
    char *data = arena_printf(&ctx->arena, "%s.%s", base64url(&ctx->arena, head, strlen(head)),
                              base64url(&ctx->arena, body, strlen(body)));
    const char *signature = jws_sign(ctx, &known.key, data, strlen(data)), *unknown = NULL;
    must_hold(signature != NULL, "it can be signed");
    _cleanup_(json_decrefp) json_t *claims = NULL;
    const char *token = arena_printf(&ctx->arena, "%s.%s", data, signature);
    jwt_claimed_issuer(&ctx->arena, token);
    if (jwt_verify_foreign(ctx, known.keys, token, expect, &claims, &unknown))
        check_claims(claims, expect);
    else
        must_hold(ctx->error && ctx->error->code == ERROR_UNAUTHORIZED, "a refusal is 401");
    free(head);
    free(body);
}

/* A token that nobody signed. */
static void check_forged(struct ctx *ctx, struct input *input, const struct jwt_foreign_expect *expect)
{
    char *token = input_text(input);
    const char *unknown = NULL;
    json_t *claims = NULL;
    must_hold(!jwt_verify_foreign(ctx, known.keys, token, expect, &claims, &unknown) && !claims, "refused");
    must_hold(ctx->error && ctx->error->code == ERROR_UNAUTHORIZED, "with 401");
    free(token);
}

static bool is_plain_or_none(const char *url)
{
    return !url || text_starts(url, "https:");
}

static void check_document(struct ctx *ctx, const struct input *input)
{
    struct issuer_document out = { 0 };
    char *text = input_copy(input->at, input_left(input));
    if (issuer_document_read(ctx, &ctx->arena, ISSUER, text, input_left(input), &out))
        must_hold(text_equal(out.issuer, ISSUER) && out.jwks_uri && is_plain_or_none(out.jwks_uri) &&
                      is_plain_or_none(out.token_endpoint) && is_plain_or_none(out.authorization_endpoint) &&
                      is_plain_or_none(out.userinfo_endpoint) && is_plain_or_none(out.end_session_endpoint),
                  "its own, and every address is of https");
    else
        must_hold(ctx->error != NULL, "a refusal says why");
    free(text);
}

static void check_issuers(struct ctx *ctx, const struct input *input)
{
    char *text = input_copy(input->at, input_left(input));
    struct jwt_issuers *issuers = jwt_issuers_parse(&ctx->arena, text, input_left(input));
    const struct jwt_issuer *one = jwt_issuers_find(issuers, ISSUER);
    if (one) {
        const char *told = jwt_issuers_write(ctx, "{\"keys\":[]}", one, 1);
        must_hold(told != NULL, "what was read is written");
        struct jwt_issuers *again = jwt_issuers_parse(&ctx->arena, told, strlen(told));
        const struct jwt_issuer *same = jwt_issuers_find(again, ISSUER);
        must_hold(same && text_equal(same->audience, one->audience) && same->leeway == one->leeway &&
                      same->away == one->away && jwt_keys_count(same->keys) == jwt_keys_count(one->keys),
                  "and read as the same");
        jwt_issuers_unref(again);
    }
    jwt_issuers_unref(issuers);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    struct input input = INPUT(data, size);
    struct ctx ctx = { .request_id = "" };
    struct jwt_foreign_expect access = {
        .typ = "at+jwt", .issuer = ISSUER, .audience = "tonearm", .now = NOW, .leeway = LEEWAY_S
    };
    struct jwt_foreign_expect id = access;
    id.typ = "JWT";
    id.nonce = "n-1";
    switch (input_byte(&input) % 5) {
    case 0:
        check_signed(&ctx, &input, &access);
        break;
    case 1:
        check_signed(&ctx, &input, &id);
        break;
    case 2:
        check_forged(&ctx, &input, &access);
        break;
    case 3:
        check_document(&ctx, &input);
        break;
    default:
        check_issuers(&ctx, &input);
    }
    ctx_finish(&ctx);
    return 0;
}
