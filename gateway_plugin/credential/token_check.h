#pragma once
/* Are these tokens signed by whom they say? What was right before is not verified anew (proofs.h). On the loop's
 * thread. */
#include "crypto/jwt.h"
#include "process/loop.h"
#include "credential/signed_token.h"

enum { KEY_PRINT_SIZE = 32 };

/* `print` is the key's. */
bool token_check(struct loop *loop, const unsigned char print[KEY_PRINT_SIZE], const struct token_key *key,
                 const struct token *token);
/* Of auth, by a key that is among `keys`, and not at its end. false: ctx says why not. Of `claims` those that say who
 * it is; their texts live as long as `ctx` and `token`. */
bool token_check_by_auth(struct ctx *ctx, struct loop *loop, const struct jwt_keys *keys, const struct token *token,
                         const char *issuer, const char *audience, struct jwt_claims *claims);
