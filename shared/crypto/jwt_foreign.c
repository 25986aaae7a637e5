#include "crypto/jwt_foreign.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jwt_parts.h"

#include <math.h>
#include <string.h>

enum { SUBJECT_MAX = 255 /* OpenID Connect Core, 2 */ };

static const double time_max = 253402300800.0; /* the year 10000 */

struct opened {
    json_t *head, *claims;
    size_t signed_size; /* bytes of the token that the signature is over */
    unsigned char *signature;
    size_t signature_size;
};

static void close_opened(struct opened *opened)
{
    json_decref(opened->head);
    json_decref(opened->claims);
}

static bool refuse(struct ctx *ctx, const char *why)
{
    ctx_fail(ctx, ERROR_UNAUTHORIZED, "%s", why);
    return false;
}

static json_t *part_json(struct arena *arena, const char *part, size_t size)
{
    const char *text = jwt_part_text(arena, part, size);
    return text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static bool take_apart(struct arena *arena, const char *token, struct opened *out)
{
    const char *dot = strchr(token, '.'), *last = dot ? strchr(dot + 1, '.') : NULL;
    if (!last)
        return false;
    out->signed_size = (size_t)(last - token);
    out->signature = base64url_decode(arena, last + 1, &out->signature_size);
    out->head = part_json(arena, token, (size_t)(dot - token));
    out->claims = part_json(arena, dot + 1, (size_t)(last - dot - 1));
    return out->signature && json_is_object(out->head) && json_is_object(out->claims);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static const struct jwt_key *key_for(struct ctx *ctx, const struct jwt_keys *keys, const json_t *head,
                                     const char **unknown_kid)
{
    const char *kid = text_of(head, "kid"), *alg = text_of(head, "alg");
    if (!kid || strlen(kid) > JWT_KID_MAX || json_object_get(head, "crit"))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token names no key");
    const struct jwt_key *key = jwt_keys_find(keys, kid);
    if (!key && unknown_kid)
        *unknown_kid = arena_strdup(&ctx->arena, kid);
    if (!key)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token's key is not known");
    if (!alg || !text_equal(alg, jwt_alg_name(key->alg)))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token's algorithm is not that of its key");
    return key;
}

static bool is_id_token(const struct jwt_foreign_expect *expect)
{
    return text_equal(expect->typ, "JWT");
}

static bool type_is_right(const json_t *head, const struct jwt_foreign_expect *expect)
{
    if (!json_object_get(head, "typ"))
        return is_id_token(expect);
    return jwt_is_type(text_of(head, "typ"), expect->typ);
}

/* One text, or a list of texts that has it. */
static bool is_for(const json_t *audience, const char *wanted)
{
    if (json_is_string(audience))
        return text_equal(json_string_value(audience), wanted);
    bool found = false;
    size_t i;
    const json_t *item;
    json_array_foreach(audience, i, item)
    {
        if (!json_is_string(item))
            return false;
        found = found || text_equal(json_string_value(item), wanted);
    }
    return found;
}

/* OpenID Connect Core, 3.1.3.7, 4 and 5: among several audiences one is who asked for the token. */
static bool is_asked_for_by(const json_t *claims, const char *client)
{
    const json_t *party = json_object_get(claims, "azp");
    if (party)
        return json_is_string(party) && text_equal(json_string_value(party), client);
    return json_array_size(json_object_get(claims, "aud")) <= 1;
}

/* false: it is there and no time. RFC 7519, 2: it may have a fraction. */
static bool read_time(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(claims, name);
    double number = json_number_value(value);
    *out = 0;
    if (!value)
        return true;
    if (!json_is_number(value) || !(number >= 0 && number < time_max))
        return false;
    *out = (int64_t)floor(number);
    return true;
}

static bool check_times(struct ctx *ctx, const json_t *claims, const struct jwt_foreign_expect *expect)
{
    int64_t expires, not_before, issued;
    if (!read_time(claims, "exp", &expires) || !read_time(claims, "nbf", &not_before) ||
        !read_time(claims, "iat", &issued))
        return refuse(ctx, "a time in the token is none");
    if (expires <= expect->now)
        return refuse(ctx, "the token has expired");
    if (!issued)
        return refuse(ctx, "the token does not tell when it was issued");
    if (not_before > expect->now + expect->leeway || issued > expect->now + expect->leeway)
        return refuse(ctx, "the token is not valid yet");
    return true;
}

static bool check_claims(struct ctx *ctx, const json_t *claims, const struct jwt_foreign_expect *expect)
{
    const char *subject = text_of(claims, "sub");
    if (!text_equal(text_of(claims, "iss"), expect->issuer))
        return refuse(ctx, "the token is of another issuer");
    if (!is_for(json_object_get(claims, "aud"), expect->audience))
        return refuse(ctx, "the token is for another audience");
    if (is_id_token(expect) && !is_asked_for_by(claims, expect->audience))
        return refuse(ctx, "the token was asked for by another client");
    if (expect->nonce && !text_equal(text_of(claims, "nonce"), expect->nonce))
        return refuse(ctx, "the token answers another sign-in");
    if (!subject || !*subject || strlen(subject) > SUBJECT_MAX)
        return refuse(ctx, "the token has no subject");
    return check_times(ctx, claims, expect);
}

static bool verify(struct ctx *ctx, const struct jwt_keys *keys, const char *token, const struct opened *opened,
                   const struct jwt_foreign_expect *expect, const char **unknown_kid)
{
    const struct jwt_key *key = key_for(ctx, keys, opened->head, unknown_kid);
    if (!key)
        return false;
    if (!jws_verify(key, token, opened->signed_size, opened->signature, opened->signature_size))
        return refuse(ctx, "the token's signature is wrong");
    if (!type_is_right(opened->head, expect))
        return refuse(ctx, "the token is of another type");
    return check_claims(ctx, opened->claims, expect);
}

bool jwt_verify_foreign(struct ctx *ctx, const struct jwt_keys *keys, const char *token,
                        const struct jwt_foreign_expect *expect, json_t **claims, const char **unknown_kid)
{
    _cleanup_(close_opened) struct opened opened = { 0 };
    *claims = NULL;
    if (unknown_kid)
        *unknown_kid = NULL;
    if (strnlen(token, JWT_SIZE_MAX + 1) > JWT_SIZE_MAX)
        return refuse(ctx, "the token is too long");
    if (!take_apart(&ctx->arena, token, &opened))
        return refuse(ctx, "this is no token");
    if (!verify(ctx, keys, token, &opened, expect, unknown_kid))
        return false;
    *claims = json_incref(opened.claims);
    return true;
}

int64_t jwt_claim_time(const json_t *claims, const char *name)
{
    int64_t out;
    return read_time(claims, name, &out) ? out : 0;
}

const char *jwt_claimed_issuer(struct arena *arena, const char *token)
{
    _cleanup_(close_opened) struct opened opened = { 0 };
    if (strnlen(token, JWT_SIZE_MAX + 1) > JWT_SIZE_MAX || !take_apart(arena, token, &opened))
        return NULL;
    return arena_strdup(arena, text_of(opened.claims, "iss"));
}
