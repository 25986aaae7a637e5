/*
 * libjwt makes and takes apart the JSON; it is never given a key, as it would
 * parse it anew at each call and believes the token about the algorithm.
 */
#include "crypto/jwt_parts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/libjwt.h"

#include <string.h>

DEFINE_CLEANUP(jwt_t *, jwt_free)

struct text_claim {
    const char *name;
    size_t offset;
};

static const struct text_claim text_claims[] = {
    { "iss", offsetof(struct jwt_claims, issuer) },    { "aud", offsetof(struct jwt_claims, audience) },
    { "sub", offsetof(struct jwt_claims, subject) },   { "sid", offsetof(struct jwt_claims, session) },
    { "jti", offsetof(struct jwt_claims, id) },        { "client_id", offsetof(struct jwt_claims, client) },
    { "name", offsetof(struct jwt_claims, name) },     { "email", offsetof(struct jwt_claims, email) },
    { "nonce", offsetof(struct jwt_claims, nonce) },   { "picture", offsetof(struct jwt_claims, picture) },
    { "locale", offsetof(struct jwt_claims, locale) }, { "at_hash", offsetof(struct jwt_claims, access_hash) },
};

static const struct text_claim number_claims[] = {
    { "iat", offsetof(struct jwt_claims, issued) },
    { "exp", offsetof(struct jwt_claims, expires) },
    { "uv", offsetof(struct jwt_claims, user_version) },
    { "auth_time", offsetof(struct jwt_claims, signed_in) },
};

#define EACH(item, array) (size_t item = 0; item < sizeof(array) / sizeof *(array); item++)

static bool fill(jwt_t *jwt, const struct jwt_key *key, const char *typ, const struct jwt_claims *claims)
{
    bool good = !jwt_add_header(jwt, "alg", jwt_alg_name(key->alg)) && !jwt_add_header(jwt, "typ", typ) &&
                !jwt_add_header(jwt, "kid", key->kid);
    for
        EACH(i, text_claims)
        {
            const char *value = *(const char *const *)((const char *)claims + text_claims[i].offset);
            good = good && (!value || !jwt_add_grant(jwt, text_claims[i].name, value));
        }
    for
        EACH(i, number_claims)
        {
            int64_t value = *(const int64_t *)((const char *)claims + number_claims[i].offset);
            good = good && (!value || !jwt_add_grant_int(jwt, number_claims[i].name, (long)value));
        }
    return good && (!claims->email || !jwt_add_grant_bool(jwt, "email_verified", claims->email_verified));
}

char *jwt_sign(struct ctx *ctx, const struct jwt_key *key, const char *typ, const struct jwt_claims *claims)
{
    jwt_t *made = NULL;
    if (jwt_new(&made))
        abort();
    _cleanup_(jwt_freep) jwt_t *jwt = made;
    if (!fill(jwt, key, typ, claims))
        return ctx_fail(ctx, ERROR_INTERNAL, "a claim is not text");
    _cleanup_(freep) void *head = jwt_get_headers_json(jwt, NULL);
    _cleanup_(freep) void *body = jwt_get_grants_json(jwt, NULL);
    if (!head || !body)
        abort();
    struct buf token = BUF(&ctx->arena);
    buf_text(&token, base64url(&ctx->arena, head, strlen(head)));
    buf_char(&token, '.');
    buf_text(&token, base64url(&ctx->arena, body, strlen(body)));
    const char *signature = jws_sign(ctx, key, token.data, token.size);
    if (!signature)
        return NULL;
    buf_char(&token, '.');
    buf_text(&token, signature);
    return token.data;
}

char *jwt_access_hash(struct arena *arena, const char *access_token)
{
    unsigned char hash[SHA256_SIZE];
    sha256(access_token, strlen(access_token), hash);
    return base64url(arena, hash, sizeof hash / 2);
}

static bool refuse(struct ctx *ctx, const char *why)
{
    ctx_fail(ctx, ERROR_UNAUTHORIZED, "%s", why);
    return false;
}

char *jwt_part_text(struct arena *arena, const char *part, size_t size)
{
    size_t decoded = 0;
    unsigned char *text = base64url_decode(arena, arena_memdup(arena, part, size), &decoded);
    return text && !memchr(text, 0, decoded) ? arena_memdup(arena, text, decoded) : NULL;
}

struct parts {
    jwt_t *jwt;
    size_t signed_size; /* bytes of the token that the signature is over */
    unsigned char *signature;
    size_t signature_size;
};

/*
 * Not by jwt_decode(): it refuses a `typ` other than JWT, and takes members that
 * come twice, arrays, and other spellings of base64.
 */
static bool take_apart(struct arena *arena, const char *token, struct parts *out)
{
    const char *dot = strchr(token, '.'), *last = dot ? strchr(dot + 1, '.') : NULL;
    if (!last)
        return false;
    out->signed_size = (size_t)(last - token);
    out->signature = base64url_decode(arena, last + 1, &out->signature_size);
    const char *head = jwt_part_text(arena, token, (size_t)(dot - token));
    const char *body = jwt_part_text(arena, dot + 1, (size_t)(last - dot - 1));
    if (!out->signature || !head || !body)
        return false;
    if (jwt_new(&out->jwt))
        abort();
    return !jwt_add_headers_json(out->jwt, head) && !jwt_add_grants_json(out->jwt, body);
}

bool jwt_is_type(const char *typ, const char *wanted)
{
    if (!typ)
        return false;
    if (strncasecmp(typ, "application/", 12) == 0)
        typ += 12;
    return strcasecmp(typ, wanted) == 0;
}

static bool has_header(jwt_t *jwt, const char *name)
{
    _cleanup_(freep) void *json = jwt_get_headers_json(jwt, name);
    return json != NULL;
}

/* The key the token must be signed with; by its own `kid`, and for one algorithm only. */
static const struct jwt_key *key_for(struct ctx *ctx, const struct jwt_keys *keys, jwt_t *jwt, const char **unknown_kid)
{
    const char *kid = jwt_get_header(jwt, "kid"), *alg = jwt_get_header(jwt, "alg");
    if (!kid || strlen(kid) > JWT_KID_MAX || has_header(jwt, "crit"))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token names no key");
    const struct jwt_key *key = jwt_keys_find(keys, kid);
    if (!key) {
        if (unknown_kid)
            *unknown_kid = arena_strdup(&ctx->arena, kid);
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token's key is not known");
    }
    if (!alg || !text_equal(alg, jwt_alg_name(key->alg)))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token's algorithm is not that of its key");
    return key;
}

static bool check_claims(struct ctx *ctx, const struct jwt_claims *claims, int64_t not_before,
                         const struct jwt_expect *expect)
{
    if (!text_equal(claims->issuer, expect->issuer))
        return refuse(ctx, "the token is of another issuer");
    if (!text_equal(claims->audience, expect->audience))
        return refuse(ctx, "the token is for another audience");
    if (!claims->subject || !*claims->subject)
        return refuse(ctx, "the token has no subject");
    if (!expect->expired_too && claims->expires <= expect->now)
        return refuse(ctx, "the token has expired");
    if (not_before > expect->now + expect->leeway || claims->issued > expect->now + expect->leeway)
        return refuse(ctx, "the token is not valid yet");
    return true;
}

/* 0 where it is not there. false: it is no whole number, which libjwt takes for a 0. */
static bool read_number(jwt_t *jwt, const char *name, int64_t *out)
{
    *out = jwt_get_grant_int(jwt, name);
    _cleanup_(freep) void *json = *out ? NULL : jwt_get_grants_json(jwt, name);
    return !json || text_equal(json, "0");
}

static bool read_claims(struct ctx *ctx, jwt_t *jwt, struct jwt_claims *out, int64_t *not_before)
{
    *out = (struct jwt_claims){ 0 };
    for
        EACH(i, text_claims)
    *(const char **)((char *)out + text_claims[i].offset) = arena_strdup(&ctx->arena,
                                                                         jwt_get_grant(jwt, text_claims[i].name));
    bool good = read_number(jwt, "nbf", not_before);
    for
        EACH(i, number_claims)
    good &= read_number(jwt, number_claims[i].name, (int64_t *)((char *)out + number_claims[i].offset));
    out->email_verified = jwt_get_grant_bool(jwt, "email_verified") == 1;
    return good;
}

static bool verify(struct ctx *ctx, const struct jwt_keys *keys, const char *token, const struct parts *parts,
                   const struct jwt_expect *expect, struct jwt_claims *out, const char **unknown_kid)
{
    const struct jwt_key *key = key_for(ctx, keys, parts->jwt, unknown_kid);
    if (!key)
        return false;
    if (!jws_verify(key, token, parts->signed_size, parts->signature, parts->signature_size))
        return refuse(ctx, "the token's signature is wrong");
    if (!jwt_is_type(jwt_get_header(parts->jwt, "typ"), expect->typ))
        return refuse(ctx, "the token is of another type");
    int64_t not_before;
    if (!read_claims(ctx, parts->jwt, out, &not_before))
        return refuse(ctx, "a time in the token is no whole number");
    out->key = arena_strdup(&ctx->arena, key->kid);
    return check_claims(ctx, out, not_before, expect);
}

bool jwt_verify(struct ctx *ctx, const struct jwt_keys *keys, const char *token, const struct jwt_expect *expect,
                struct jwt_claims *out, const char **unknown_kid)
{
    struct parts parts = { 0 };
    if (unknown_kid)
        *unknown_kid = NULL;
    if (strnlen(token, JWT_SIZE_MAX + 1) > JWT_SIZE_MAX)
        return refuse(ctx, "the token is too long");
    bool right = take_apart(&ctx->arena, token, &parts) ? verify(ctx, keys, token, &parts, expect, out, unknown_kid)
                                                        : refuse(ctx, "this is no token");
    jwt_free(parts.jwt);
    return right;
}
