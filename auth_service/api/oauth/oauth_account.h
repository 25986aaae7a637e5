#pragma once
/*
 * Which account an identity of a provider opens (docs/oidc.md). By its link, which is for good; else by its address,
 * where the provider says that it is verified; else a new one. An account whose address nobody has verified may be a
 * stranger's, who waits for its owner ("pre-hijacking", Sudhodanan and Paverd, USENIX Security 2022): it becomes the
 * owner's with the write that links it, which takes the password and ends all sessions.
 */
#include "oauth/oauth_identity.h"
#include "signin/signin.h"

/*
 * Linked, verified, made where there was none. ERROR_FORBIDDEN: the provider does not say that the address is verified
 * (the same whether it has an account), or the account is suspended. ERROR_CONFLICT: the account is linked to another
 * subject of this issuer, or is an administrator's whose address nobody has verified.
 */
struct user *oauth_account(struct ctx *ctx, const struct signin *signin, const struct oauth_identity *who,
                           const struct origin *origin);
