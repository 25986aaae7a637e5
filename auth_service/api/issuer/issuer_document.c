#include "issuer/issuer_document.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "issuer/fetch.h"

enum { ADDRESS_MAX = 2048 };

static const struct address {
    const char *name;
    size_t offset;
    bool required;
} addresses[] = {
    { "authorization_endpoint", offsetof(struct issuer_document, authorization_endpoint) },
    { "token_endpoint", offsetof(struct issuer_document, token_endpoint) },
    { "userinfo_endpoint", offsetof(struct issuer_document, userinfo_endpoint) },
    { "end_session_endpoint", offsetof(struct issuer_document, end_session_endpoint) },
    { "jwks_uri", offsetof(struct issuer_document, jwks_uri), .required = true },
};

enum { ADDRESSES = sizeof addresses / sizeof *addresses };

static const char **address_of(struct issuer_document *document, const struct address *address)
{
    return (const char **)((char *)document + address->offset);
}

static bool wrong(struct ctx *ctx, const char *what)
{
    ctx_fail(ctx, ERROR_UNAVAILABLE, "the discovery document: %s", what);
    return false;
}

/* Who is asked over https is not to send us elsewhere without. */
static bool may_ask(const char *url, const char *issuer)
{
    return strlen(url) <= ADDRESS_MAX && fetch_may(url) &&
           (text_starts(url, "https:") || !text_starts(issuer, "https:"));
}

static bool read_address(struct ctx *ctx, struct arena *arena, const json_t *root, const struct address *address,
                         struct issuer_document *out)
{
    const json_t *value = json_object_get(root, address->name);
    const char *text = json_string_value(value);
    if (!value)
        return !address->required || wrong(ctx, "it tells no jwks_uri");
    if (!text || !may_ask(text, out->issuer))
        return wrong(ctx, arena_printf(&ctx->arena, "%s is not to be asked", address->name));
    *address_of(out, address) = arena_strdup(arena, text);
    return true;
}

static bool names(const json_t *root, const char *member, const char *wanted)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(root, member), i,
                       item) if (json_is_string(item) && text_equal(json_string_value(item), wanted)) return true;
    return false;
}

static bool read_root(struct ctx *ctx, struct arena *arena, const char *url, const json_t *root,
                      struct issuer_document *out)
{
    static const char methods[] = "token_endpoint_auth_methods_supported";
    const char *issuer = json_string_value(json_object_get(root, "issuer"));
    if (!issuer || !text_equal(issuer, url))
        return wrong(ctx, "it is of another issuer");
    *out = (struct issuer_document){
        .issuer = arena_strdup(arena, issuer),
        .takes_s256 = names(root, "code_challenge_methods_supported", "S256"),
        .takes_basic = !json_object_get(root, methods) || names(root, methods, "client_secret_basic"),
        .takes_post = names(root, methods, "client_secret_post"),
        .tells_response_iss = json_is_true(json_object_get(root, "authorization_response_iss_parameter_supported")),
    };
    for (size_t i = 0; i < ADDRESSES; i++)
        if (!read_address(ctx, arena, root, &addresses[i], out))
            return false;
    return true;
}

bool issuer_document_read(struct ctx *ctx, struct arena *arena, const char *url, const char *json, size_t size,
                          struct issuer_document *out)
{
    _cleanup_(json_decrefp) json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(root) ? read_root(ctx, arena, url, root, out) : wrong(ctx, "it is no JSON object");
}

struct issuer_document issuer_document_copy(struct arena *arena, const struct issuer_document *document)
{
    struct issuer_document copy = *document;
    copy.issuer = arena_strdup(arena, document->issuer);
    for (size_t i = 0; i < ADDRESSES; i++)
        *address_of(&copy, &addresses[i]) = arena_strdup(arena, *address_of(&copy, &addresses[i]));
    return copy;
}
