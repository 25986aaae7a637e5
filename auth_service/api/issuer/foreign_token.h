#pragma once
/*
 * An access token of a trusted issuer as one of our sessions. Its subject is linked to an account as in a sign-in
 * by a provider (oauth/oauth_account.h): by the link, else by an address that the issuer says is verified, else it
 * gets a new account. The token itself is a session, so that it is listed, ended and revoked like any other: a
 * document whose id is made of what the issuer signed, so that all replicas make the same one, and no other spelling of
 * its signature makes another.
 *
 * The roles claim of the token that was issued last decides about the roles that issuers may give (trusted.h): they
 * become the account's, whatever else it had of them. Codes that are no active role, and those that they may not give,
 * are passed over. A token without the claim changes nothing.
 */
#include "issuer/trusted.h"
#include "signin/signin.h"

struct foreign {
    struct trusted *trusted;
    const struct signin *signin;
    int64_t ttl_ms; /* an answer about a token holds no longer than this: as long as our own live */
};

/* What a verified token names. */
struct named {
    const char *session_id, *user_id;
    int64_t expires_at; /* unix ms */
};

/*
 * `issuer` is whose the token claims to be. ERROR_UNAUTHORIZED: it is not, or its account was suspended or deleted.
 * ERROR_UNAVAILABLE: the issuer or the store is away. And what oauth_account() fails with.
 */
bool foreign_token_check(struct ctx *ctx, const struct foreign *foreign, struct issuer *issuer, const char *token,
                         struct named *out);
