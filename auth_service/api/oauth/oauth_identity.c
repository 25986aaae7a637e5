#include "oauth/oauth_identity.h"

#include "base/text.h"
#include "user/user.h"

#include <string.h>

enum { SUBJECT_MAX = 255 }; /* OpenID Connect Core, 2: ASCII characters */

static const char *text_of(const json_t *claims, const char *name)
{
    return json_string_value(json_object_get(claims, name));
}

/* Printable ASCII without a blank, which separates it from the issuer in a link. */
static bool is_subject(const char *text)
{
    size_t size = text ? strlen(text) : 0;
    return size && size <= SUBJECT_MAX && text_plain(text, size) == size && !strchr(text, ' ');
}

/* One claim, under the rules of what we keep. */
struct claim {
    const char *text;
};

static const struct field email_fields[] = {
    FIELD("email", TEXT, struct claim, text, .required = true, .max = USER_EMAIL_MAX, .valid = is_email),
    { 0 },
};
static const struct field name_fields[] = {
    FIELD("name", TEXT, struct claim, text, .required = true, .min = USER_NAME_MIN, .max = USER_NAME_MAX,
          .pattern = "\\S"),
    { 0 },
};
static const struct field picture_fields[] = {
    FIELD("picture", TEXT, struct claim, text, .required = true, .max = USER_PICTURE_MAX, .valid = is_http_url),
    { 0 },
};

/* NULL where it is not there, or not as we keep it: that keeps nobody out. */
static const char *take(struct ctx *ctx, const json_t *claims, const struct field *fields)
{
    struct claim claim = { 0 };
    if (record_from_json(ctx, claims, fields, &claim))
        return claim.text;
    ctx_forgive(ctx, ERROR_INVALID);
    return NULL;
}

/* Some say it as a text. Said to be unverified it is, whatever the operator trusts. */
static bool is_verified(const struct oauth_provider_settings *set, const json_t *claims)
{
    const json_t *said = json_object_get(claims, "email_verified");
    if (!said)
        return set->trust_email;
    return json_is_true(said) || text_equal(json_string_value(said), "true");
}

/* What stands before the @, where the provider tells no name. */
static const char *name_of_address(struct arena *arena, const char *email)
{
    const char *name = arena_memdup(arena, email, strcspn(email, "@"));
    return utf8_count(name) >= USER_NAME_MIN ? name : email;
}

bool oauth_identity_of(struct ctx *ctx, const struct oauth_provider_settings *set, const json_t *claims,
                       struct oauth_identity *out)
{
    const char *subject = text_of(claims, "sub");
    if (!is_subject(subject))
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the ID token does not say who signed in");
    const char *email = take(ctx, claims, email_fields), *name = take(ctx, claims, name_fields);
    *out = (struct oauth_identity){
        .provider = set->name,
        .issuer = set->issuer,
        .link = arena_printf(&ctx->arena, "%s %s", set->issuer, subject),
        .email = email,
        .verified = email && is_verified(set, claims),
        .name = name || !email ? name : name_of_address(&ctx->arena, email),
        .picture = take(ctx, claims, picture_fields),
    };
    return true;
}
