#include "credential/token_check.h"

#include "base/clock.h"
#include "credential/proofs.h"

#include <string.h>

static struct proofs *proofs_of(struct loop *loop)
{
    if (!loop->proofs)
        loop->proofs = proofs_create();
    return loop->proofs;
}

bool token_check(struct loop *loop, const unsigned char print[KEY_PRINT_SIZE], const struct token_key *key,
                 const struct token *token)
{
    /* A code of SHA-2 is made as fast as it is looked for. */
    if (token_is_symmetric(key->alg))
        return token_verify(token, key);
    struct proof proof = proof_of(print, KEY_PRINT_SIZE, token->data);
    if (proofs_have(proofs_of(loop), &proof))
        return true;
    if (!token_verify(token, key))
        return false;
    proofs_add(loop->proofs, &proof);
    return true;
}

/* Of a token that jwt_verify() has taken before. */
static struct jwt_claims claims_again(const struct token *token)
{
    return (struct jwt_claims){ .subject = json_string_value(json_object_get(token->claims, "sub")),
                                .session = json_string_value(json_object_get(token->claims, "sid")),
                                .id = json_string_value(json_object_get(token->claims, "jti")),
                                .expires = json_integer_value(json_object_get(token->claims, "exp")),
                                .key = json_string_value(json_object_get(token->head, "kid")) };
}

bool token_check_by_auth(struct ctx *ctx, struct loop *loop, const struct jwt_keys *keys, const struct token *token,
                         const char *issuer, const char *audience, struct jwt_claims *claims)
{
    struct jwt_expect expect = {
        .typ = "at+jwt", .issuer = issuer, .audience = audience, .now = clock_now_ms() / 1000, .leeway = JWT_LEEWAY_S
    };
    const char *by = arena_printf(&ctx->arena, "auth\n%s\n%s", issuer, audience);
    struct proof proof = proof_of(by, strlen(by), token->data);
    if (proofs_have(proofs_of(loop), &proof)) {
        *claims = claims_again(token);
        return claims->expires > expect.now || ctx_fail(ctx, ERROR_UNAUTHORIZED, "the token has expired");
    }
    if (!jwt_verify(ctx, keys, token->data, &expect, claims, NULL))
        return false;
    proofs_add(loop->proofs, &proof);
    return true;
}
