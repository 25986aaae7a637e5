#include "issuer/trusted.h"

#include "base/text.h"
#include "issuer/fetch.h"

#include <string.h>

enum { ROLES_READ_MAX = 64, CODES_MAX = 32 };

struct trusted {
    struct arena arena;
    struct issuer *issuers[JWT_ISSUERS_MAX];
    size_t count;
    const char *audience, *roles_claim;
    const char *codes[CODES_MAX + 1]; /* that may be given */
    int64_t skew_ms;
};

/* The parts between commas, without the blanks around them; NULL at the end. false: more than `max`. */
static bool split(struct arena *arena, const char *text, const char **out, size_t max)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *one = strtok_r(arena_strdup(arena, text ? text : ""), ", ", &rest); one;
         one = strtok_r(NULL, ", ", &rest)) {
        if (count == max)
            return false;
        out[count++] = one;
    }
    out[count] = NULL;
    return true;
}

const char *trusted_issuers_are_wrong(const char *issuers)
{
    struct arena arena = { 0 };
    const char *urls[JWT_ISSUERS_MAX + 1];
    const char *wrong = split(&arena, issuers, urls, JWT_ISSUERS_MAX) ? NULL : "has more than eight addresses";
    for (const char **url = urls; !wrong && *url; url++)
        if (!fetch_may(*url))
            wrong = "must be addresses of https, or of http to this machine";
    arena_free(&arena);
    return wrong;
}

static bool add_issuer(struct ctx *ctx, struct trusted *trusted, const struct trusted_settings *set, const char *url,
                       const char *own)
{
    for (size_t i = 0; i < trusted->count; i++)
        if (text_equal(issuer_url(trusted->issuers[i]), url))
            return ctx_fail(ctx, ERROR_INVALID, "AUTH_TRUSTED_ISSUERS: %s twice", url);
    if (text_equal(url, own))
        return ctx_fail(ctx, ERROR_INVALID, "AUTH_TRUSTED_ISSUERS: %s is AUTH_ISSUER", url);
    struct issuer_settings settings = { .url = url, .ca_file = set->ca_file, .skew_s = set->skew_ms / 1000 };
    struct issuer *issuer = issuer_create(ctx, &settings);
    if (!issuer)
        return ctx_fail(ctx, ERROR_INVALID, "AUTH_TRUSTED_ISSUERS: %s is neither https nor this machine", url);
    trusted->issuers[trusted->count++] = issuer;
    return true;
}

static bool add_issuers(struct ctx *ctx, struct trusted *trusted, const struct trusted_settings *set, const char *own)
{
    const char *urls[JWT_ISSUERS_MAX + 1];
    if (!split(&trusted->arena, set->issuers, urls, JWT_ISSUERS_MAX))
        return ctx_fail(ctx, ERROR_INVALID, "AUTH_TRUSTED_ISSUERS: more than %d", JWT_ISSUERS_MAX);
    for (const char **url = urls; *url; url++)
        if (!add_issuer(ctx, trusted, set, *url, own))
            return false;
    return split(&trusted->arena, set->roles, trusted->codes, CODES_MAX) ||
           ctx_fail(ctx, ERROR_INVALID, "AUTH_TRUSTED_ROLES: more than %d", CODES_MAX);
}

struct trusted *trusted_open(struct ctx *ctx, const struct trusted_settings *set, const char *own, const char *audience)
{
    struct trusted *trusted = calloc(1, sizeof *trusted);
    if (!trusted)
        abort();
    bool other = set->audience && *set->audience;
    trusted->audience = arena_strdup(&trusted->arena, other ? set->audience : audience);
    trusted->roles_claim = arena_strdup(&trusted->arena, set->roles_claim ? set->roles_claim : "");
    trusted->skew_ms = set->skew_ms;
    if (add_issuers(ctx, trusted, set, own))
        return trusted;
    trusted_close(trusted);
    return NULL;
}

void trusted_close(struct trusted *trusted)
{
    if (!trusted)
        return;
    for (size_t i = 0; i < trusted->count; i++)
        issuer_destroy(trusted->issuers[i]);
    arena_free(&trusted->arena);
    free(trusted);
}

static struct issuer *find(const struct trusted *trusted, const char *url)
{
    for (size_t i = 0; url && i < trusted->count; i++)
        if (text_equal(issuer_url(trusted->issuers[i]), url))
            return trusted->issuers[i];
    return NULL;
}

struct issuer *trusted_issuer_of(struct ctx *ctx, const struct trusted *trusted, const char *token)
{
    return trusted->count ? find(trusted, jwt_claimed_issuer(&ctx->arena, token)) : NULL;
}

bool trusted_verify(struct ctx *ctx, const struct trusted *trusted, struct issuer *issuer, const char *token,
                    json_t **claims)
{
    struct issuer_expect expect = { .typ = "at+jwt", .audience = trusted->audience };
    return issuer_verify(ctx, issuer, token, &expect, claims);
}

bool trusted_may_give(const struct trusted *trusted, const char *code)
{
    for (const char *const *may = trusted->codes; *may; may++)
        if (text_equal(*may, code))
            return true;
    return false;
}

/* A claim may have dots in its own name ("https://idp.example/roles"): the whole of it is looked for first. */
static const json_t *claim_at(struct arena *arena, const json_t *claims, const char *path)
{
    const json_t *found = json_object_get(claims, path);
    char *rest = NULL;
    if (found)
        return found;
    found = claims;
    for (char *one = strtok_r(arena_strdup(arena, path), ".", &rest); one; one = strtok_r(NULL, ".", &rest))
        found = json_object_get(found, one);
    return found == claims ? NULL : found;
}

static void take_code(struct ctx *ctx, const struct trusted *trusted, const char *code, struct list *out)
{
    const char **codes = out->items;
    if (code && trusted_may_give(trusted, code))
        codes[out->count++] = arena_strdup(&ctx->arena, code);
}

/* One text is a role, or several with blanks between them, as in `scope`. */
static void take_text(struct ctx *ctx, const struct trusted *trusted, const char *text, struct list *out)
{
    char *rest = NULL;
    for (char *one = strtok_r(arena_strdup(&ctx->arena, text), " ", &rest); one && out->count < ROLES_READ_MAX;
         one = strtok_r(NULL, " ", &rest))
        take_code(ctx, trusted, one, out);
}

bool trusted_roles(struct ctx *ctx, const struct trusted *trusted, const json_t *claims, struct list *out)
{
    const json_t *claim = *trusted->roles_claim ? claim_at(&ctx->arena, claims, trusted->roles_claim) : NULL;
    *out = (struct list){ .items = arena_array(&ctx->arena, const char *, ROLES_READ_MAX) };
    if (json_is_string(claim))
        take_text(ctx, trusted, json_string_value(claim), out);
    for (size_t i = 0; i < json_array_size(claim) && i < ROLES_READ_MAX; i++)
        take_code(ctx, trusted, json_string_value(json_array_get(claim, i)), out);
    return json_is_string(claim) || json_is_array(claim);
}

/* Whether the issuer can say now which keys there are: asked for one that is not known, it was asked. */
static bool is_away(struct ctx *ctx, struct issuer *issuer, const char *kid)
{
    struct error *before = ctx->error;
    struct jwt_keys *keys = kid ? issuer_keys(ctx, issuer, kid) : issuer_known_keys(issuer);
    ctx->error = before; /* the others are told all the same */
    jwt_keys_unref(keys);
    return !keys;
}

char *trusted_jwks(struct ctx *ctx, const struct trusted *trusted, const char *own, const char *issuer, const char *kid)
{
    struct jwt_issuer told[JWT_ISSUERS_MAX];
    if (!trusted->count)
        return (char *)own;
    for (size_t i = 0; i < trusted->count; i++) {
        struct issuer *one = trusted->issuers[i];
        bool asked = issuer && kid && text_equal(issuer, issuer_url(one));
        told[i] = (struct jwt_issuer){ .issuer = issuer_url(one),
                                       .audience = trusted->audience,
                                       .leeway = trusted->skew_ms / 1000,
                                       .away = is_away(ctx, one, asked ? kid : NULL) };
        told[i].keys = issuer_known_keys(one); /* after it was asked */
    }
    char *out = jwt_issuers_write(ctx, own, told, trusted->count);
    for (size_t i = 0; i < trusted->count; i++)
        jwt_keys_unref(told[i].keys);
    return out;
}
