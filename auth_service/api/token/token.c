#include "token/token.h"

#include "base/clock.h"
#include "base/random.h"

enum { LEEWAY_S = 5, JTI_BYTES = 12 };

const struct field token_pair_fields[] = {
    FIELD("accessToken", TEXT, struct token_pair, access, .required = true, .sensitive = true,
          .doc = "a JWT (RFC 9068) for `Authorization: Bearer`"),
    FIELD("refreshToken", TEXT, struct token_pair, refresh, .required = true, .sensitive = true,
          .doc = "opaque; good for one POST /token/refresh"),
    FIELD("idToken", TEXT, struct token_pair, id, .required = true, .sensitive = true,
          .doc = "a JWT that tells who signed in; opens nothing"),
    FIELD("expiresIn", INTEGER, struct token_pair, expires_in, .required = true,
          .doc = "seconds that the access token lives"),
    { 0 },
};

struct token_pair *tokens_issue(struct ctx *ctx, const struct tokens *tokens, const struct user *user,
                                const struct held_session *held, const char *client)
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

    claims.id = random_text(&ctx->arena, JTI_BYTES);
    claims.name = user->name;
    claims.email = user->email;
    pair->id = pair->access ? key_ring_sign(ctx, tokens->ring, "JWT", &claims) : NULL;
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
        .leeway = LEEWAY_S,
        .expired_too = expired_too,
    };
    return key_ring_verify(ctx, tokens->ring, access_token, &expect, out);
}
