#include "token/token.h"

#include "base/clock.h"
#include "base/random.h"

enum { JTI_BYTES = 12 };

const struct field token_pair_fields[] = {
    FIELD("accessToken", TEXT, struct token_pair, access, .required = true, .sensitive = true,
          .doc = "a JWT (RFC 9068) for `Authorization: Bearer`"),
    FIELD("refreshToken", TEXT, struct token_pair, refresh, .required = true, .sensitive = true,
          .doc = "opaque; good for one POST /token/refresh"),
    FIELD("idToken", TEXT, struct token_pair, id, .required = true, .sensitive = true,
          .doc = "a JWT that tells who signed in, and when (OpenID Connect Core 1.0); opens nothing"),
    FIELD("expiresIn", INTEGER, struct token_pair, expires_in, .required = true,
          .doc = "seconds that the access token lives"),
    { 0 },
};

/* Who it is, for the client that asked; the access token beside it names nobody. */
static char *id_token(struct ctx *ctx, const struct tokens *tokens, struct jwt_claims claims, const struct user *user,
                      const char *access, const char *nonce)
{
    claims.id = random_text(&ctx->arena, JTI_BYTES);
    claims.name = user->name;
    claims.email = user->email;
    claims.email_verified = user->verified_at != 0;
    claims.picture = user->picture;
    claims.locale = user->locale;
    claims.nonce = nonce;
    claims.access_hash = jwt_access_hash(&ctx->arena, access);
    return key_ring_sign(ctx, tokens->ring, "JWT", &claims);
}

struct token_pair *tokens_issue(struct ctx *ctx, const struct tokens *tokens, const struct user *user,
                                const struct held_session *held, const char *client, const char *nonce)
{
    int64_t now = clock_now_ms() / 1000;
    struct jwt_claims claims = {
        .issuer = tokens->issuer,
        .audience = tokens->audience,
        .subject = user->doc.id,
        .session = held->session->doc.id,
        .id = random_text(&ctx->arena, JTI_BYTES),
        .client = client ? client : tokens->issuer,
        .issued = now,
        .expires = now + tokens->ttl_ms / 1000,
        .user_version = user->user_version,
    };
    struct token_pair *pair = arena_new(&ctx->arena, struct token_pair);
    pair->refresh = held->refresh_token;
    pair->expires_in = tokens->ttl_ms / 1000;
    pair->access = key_ring_sign(ctx, tokens->ring, "at+jwt", &claims);
    claims.signed_in = held->session->created_at / 1000; /* a refresh is no sign-in (12.2) */
    pair->id = pair->access ? id_token(ctx, tokens, claims, user, pair->access, nonce) : NULL;
    return pair->id ? pair : NULL;
}

bool token_check(struct ctx *ctx, const struct tokens *tokens, const char *access_token, bool expired_too,
                 struct jwt_claims *out)
{
    struct jwt_expect expect = {
        .typ = "at+jwt",
        .issuer = tokens->issuer,
        .audience = tokens->audience,
        .now = clock_now_ms() / 1000,
        .leeway = JWT_LEEWAY_S,
        .expired_too = expired_too,
    };
    return key_ring_verify(ctx, tokens->ring, access_token, &expect, out);
}
