/*
 * Access tokens, sets of keys, refresh tokens. With keys that are the same in
 * every run a token is taken only where it is byte for byte one that we signed;
 * what we sign ourselves is taken only where its claims say what is asked for.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jwt_parts.h"
#include "fuzz.h"
#include "fuzz_keys.h"
#include "session/refresh_token.h"

#include <jansson.h>
#include <string.h>

enum { NOW = 1795200000, TOKENS = 4 };

/* Made once. */
static struct {
    struct ctx ctx;
    struct jwt_keys *keys;
    struct jwt_key rsa, ec, stranger;
    char *tokens[TOKENS];
} known;

static const struct jwt_expect expect = {
    .typ = "at+jwt", .issuer = "tonearm", .audience = "tonearm", .now = NOW, .leeway = JWT_LEEWAY_S
};

static struct jwt_key key_of(enum jwt_alg alg, EVP_PKEY *key)
{
    return (struct jwt_key){ .kid = jwt_key_kid(&known.ctx, key), .alg = alg, .key = key };
}

static void add(const struct jwt_key *key)
{
    EVP_PKEY_up_ref(key->key);
    jwt_keys_add(known.keys, key->kid, key->alg, key->key);
}

static void begin(void)
{
    if (known.keys)
        return;
    struct jwt_claims claims = { .issuer = "tonearm",
                                 .audience = "tonearm",
                                 .subject = "64d1",
                                 .session = "s-1",
                                 .id = "j-1",
                                 .client = "web",
                                 .issued = NOW,
                                 .expires = NOW + 900 };
    known.keys = jwt_keys_create();
    known.rsa = key_of(JWT_RS256, fuzz_rsa_key());
    known.ec = key_of(JWT_ES256, fuzz_ec_key(1));
    known.stranger = key_of(JWT_ES256, fuzz_ec_key(2));
    add(&known.rsa);
    add(&known.ec);
    known.tokens[0] = jwt_sign(&known.ctx, &known.rsa, "at+jwt", &claims);
    known.tokens[1] = jwt_sign(&known.ctx, &known.ec, "at+jwt", &claims);
    claims.name = "Zo\u00eb \"q\"";
    claims.user_version = 7;
    known.tokens[2] = jwt_sign(&known.ctx, &known.rsa, "at+jwt", &claims);
    known.tokens[3] = jwt_sign(&known.ctx, &known.stranger, "at+jwt", &claims);
    for (size_t i = 0; i < TOKENS; i++)
        must_hold(known.tokens[i] != NULL, "a token can be signed");
}

static bool is_ours(const char *token)
{
    for (size_t i = 0; i + 1 < TOKENS; i++)
        if (strcmp(token, known.tokens[i]) == 0)
            return true;
    return false;
}

static bool is_taken(struct ctx *ctx, const char *token, struct jwt_claims *claims)
{
    const char *unknown;
    bool taken = jwt_verify(ctx, known.keys, token, &expect, claims, &unknown);
    must_hold(taken || (ctx->error && ctx->error->code == ERROR_UNAUTHORIZED), "a refusal is 401");
    ctx->error = NULL;
    return taken;
}

static void check_token(struct ctx *ctx, const char *token)
{
    struct jwt_claims claims;
    must_hold(is_taken(ctx, token, &claims) == is_ours(token), "taken is what we signed, and nothing else");
}

/* One of ours with bytes changed, put in or cut out: a place, a kind, a letter each. */
static char *changed(struct ctx *ctx, struct input *input)
{
    struct buf out = BUF(&ctx->arena);
    buf_text(&out, known.tokens[input_byte(input) % TOKENS]);
    while (input_left(input) >= 4 && out.size) {
        unsigned place = (input_byte(input) << 8 | input_byte(input)) % (unsigned)out.size;
        unsigned kind = input_byte(input), letter = input_byte(input);
        if (kind % 4 == 0 && letter) {
            out.data[place] = (char)letter;
        } else if (kind % 4 == 1 && letter) {
            const char *tail = arena_strdup(&ctx->arena, out.data + place);
            out.size = place;
            buf_char(&out, (char)letter);
            buf_text(&out, tail);
        } else if (kind % 4 == 2) {
            memmove(out.data + place, out.data + place + 1, out.size - place);
            out.size--;
        } else if (kind % 4 == 3) {
            out.data[out.size = place] = 0;
        }
    }
    return out.data ? out.data : arena_strdup(&ctx->arena, "");
}

/* The head of one, the body of another, the signature of a third. */
static const char *spliced(struct ctx *ctx, struct input *input)
{
    struct buf out = BUF(&ctx->arena);
    for (int part = 0; part < 3; part++) {
        const char *from = known.tokens[input_byte(input) % TOKENS];
        for (int i = 0; i < part; i++)
            from = strchr(from, '.') + 1;
        buf_add(&out, from, strcspn(from, "."));
        buf_text(&out, part < 2 ? "." : "");
    }
    return out.data;
}

static bool is_text(const json_t *object, const char *name, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && strcmp(text, wanted) == 0;
}

/* What the RFCs and our header ask of a token that is rightly signed; read by jansson alone. */
static void check_claims(const char *head_text, const char *body_text)
{
    _cleanup_(json_decrefp) json_t *head = json_loads(head_text, JSON_REJECT_DUPLICATES, NULL);
    _cleanup_(json_decrefp) json_t *body = json_loads(body_text, JSON_REJECT_DUPLICATES, NULL);
    must_hold(head && body, "head and body are JSON without duplicates");
    must_hold(is_text(head, "alg", "ES256") && is_text(head, "kid", known.ec.kid), "the algorithm is the key's");
    must_hold(!json_object_get(head, "crit"), "nothing critical is passed over");
    const char *typ = json_string_value(json_object_get(head, "typ"));
    must_hold(typ && (!strcasecmp(typ, "at+jwt") || !strcasecmp(typ, "application/at+jwt")), "it is an access token");
    must_hold(is_text(body, "iss", "tonearm") && is_text(body, "aud", "tonearm"), "ours, for us");
    must_hold(json_string_length(json_object_get(body, "sub")) > 0, "of somebody");
    const json_t *expires = json_object_get(body, "exp"), *before = json_object_get(body, "nbf");
    must_hold(json_is_integer(expires) && json_integer_value(expires) > NOW, "not expired");
    must_hold(!before || (json_is_integer(before) && json_integer_value(before) <= NOW + JWT_LEEWAY_S),
              "and valid already");
}

/* Any head and any body under a signature of ours. */
static void check_signed(struct ctx *ctx, struct input *input)
{
    char *head = input_text(input), *body = input_text(input);
    char *data = arena_printf(&ctx->arena, "%s.%s", base64url(&ctx->arena, head, strlen(head)),
                              base64url(&ctx->arena, body, strlen(body)));
    const char *signature = jws_sign(ctx, &known.ec, data, strlen(data));
    struct jwt_claims claims;
    if (signature && is_taken(ctx, arena_printf(&ctx->arena, "%s.%s", data, signature), &claims))
        check_claims(head, body);
    free(head);
    free(body);
}

static void check_keys(struct ctx *ctx, const struct input *input)
{
    size_t left = input_left(input);
    char *text = input_copy(input->at, left);
    struct jwt_keys *keys = jwks_parse(ctx, text, left);
    if (keys) {
        const char *once = jwks_write(ctx, keys);
        struct jwt_keys *again = jwks_parse(ctx, once, strlen(once));
        must_hold(again && jwt_keys_count(again) == jwt_keys_count(keys), "a set is written and read as the same");
        must_hold(strcmp(jwks_write(ctx, again), once) == 0, "key by key");
        must_hold(!strstr(once, "\"d\""), "without what is private");
        jwt_keys_unref(again);
    } else {
        must_hold(ctx->error != NULL, "a refusal says why");
    }
    jwt_keys_unref(keys);
    free(text);
}

static void check_pem(struct ctx *ctx, const struct input *input)
{
    enum jwt_alg alg;
    size_t left = input_left(input);
    char *text = input_copy(input->at, left);
    EVP_PKEY *key = jwt_key_read(ctx, text, left, &alg);
    must_hold(key || ctx->error, "a refusal says why");
    must_hold(!key || jwt_key_kid(ctx, key), "a key has an id");
    EVP_PKEY_free(key);
    free(text);
}

static void check_refresh(struct ctx *ctx, struct input *input)
{
    struct refresh_token token = { 0 };
    char *text = input_text(input);
    if (refresh_token_parse(ctx, text, &token)) {
        struct refresh_token back = { 0 };
        const char *written = refresh_token_write(ctx, &token);
        must_hold(refresh_token_parse(ctx, written, &back) && back.generation == token.generation &&
                      !strcmp(back.session, token.session) && !strcmp(back.secret, token.secret),
                  "a refresh token is written and read as the same");
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    struct input input = INPUT(data, size);
    struct ctx ctx = { .request_id = "" };
    switch (input_byte(&input) % 7) {
    case 0: {
        char *token = input_text(&input);
        check_token(&ctx, token);
        free(token);
        break;
    }
    case 1:
        check_token(&ctx, changed(&ctx, &input));
        break;
    case 2:
        check_token(&ctx, spliced(&ctx, &input));
        break;
    case 3:
        check_signed(&ctx, &input);
        break;
    case 4:
        check_keys(&ctx, &input);
        break;
    case 5:
        check_pem(&ctx, &input);
        break;
    default:
        check_refresh(&ctx, &input);
    }
    ctx_finish(&ctx);
    return 0;
}
