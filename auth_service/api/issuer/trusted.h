#pragma once
/*
 * The issuers whose access tokens (RFC 9068) are taken besides our own: AUTH_TRUSTED_ISSUERS. Which they are, that a
 * token is one of theirs, and which roles it claims. Whose account it opens: foreign_token.h. Any thread.
 */
#include "base/settings.h"
#include "crypto/jwt_issuers.h"
#include "issuer/issuer.h"
#include "record/record.h"

/* As set; empty `issuers`: none is trusted. */
struct trusted_settings {
    const char *issuers;     /* addresses, by comma; at most JWT_ISSUERS_MAX */
    const char *audience;    /* `aud` that their tokens must name; "" = that of our own */
    const char *roles_claim; /* a member of the claims, or a path of members with dots; "" = no roles are taken */
    const char *roles;       /* codes that they may give, by comma */
    const char *ca_file;
    int64_t skew_ms;
};

/* NULL: they are not. */
const char *trusted_issuers_are_wrong(const char *issuers);

/* Rows of a table of settings; `member` is a struct trusted_settings of `type`. */
#define TRUSTED_SETTINGS(type, member)                                                                                 \
    SETTING("AUTH_TRUSTED_ISSUERS", SETTING_TEXT, type, member.issuers, .max = 2000,                                   \
            .wrong = trusted_issuers_are_wrong,                                                                        \
            .help = "issuers whose access tokens are taken besides our own: addresses as in their iss, by comma "      \
                    "(docs/issuers.md)"),                                                                              \
        SETTING("AUTH_TRUSTED_AUDIENCE", SETTING_TEXT, type, member.audience, .max = 200,                              \
                .help = "aud that their tokens must name; empty: AUTH_AUDIENCE"),                                      \
        SETTING("AUTH_TRUSTED_ROLES_CLAIM", SETTING_TEXT, type, member.roles_claim, .value = "roles", .max = 200,      \
                .help = "claim that lists roles, or a path to it such as realm_access.roles; empty: none are taken"),  \
        SETTING("AUTH_TRUSTED_ROLES", SETTING_TEXT, type, member.roles, .value = "LISTENER,ARTIST,EDITOR", .max = 500, \
                .help = "roles that such a claim may give or take, by comma; ADMIN only where it is named here"),      \
        SETTING("AUTH_TRUSTED_CA_FILE", SETTING_TEXT, type, member.ca_file,                                            \
                .help = "certificates that these issuers are verified by; empty: those of the system"),                \
        SETTING("AUTH_TRUSTED_SKEW", SETTING_MS, type, member.skew_ms, .value = "60s", .min = 0, .max = 600000,        \
                .help = "how far their clocks may be ahead of ours")

struct trusted;

/* `own` is our `iss`, which is none of them; `audience` our `aud`. ERROR_INVALID says what is wrong. */
struct trusted *trusted_open(struct ctx *ctx, const struct trusted_settings *settings, const char *own,
                             const char *audience);
void trusted_close(struct trusted *trusted);

/* Whose token this claims to be; NULL: none of theirs. */
struct issuer *trusted_issuer_of(struct ctx *ctx, const struct trusted *trusted, const char *token);
/* As issuer_verify(), of an access token for us. */
bool trusted_verify(struct ctx *ctx, const struct trusted *trusted, struct issuer *issuer, const char *token,
                    json_t **claims);

/* false: there is no such claim. Otherwise the codes (const char *, of claims) that it names and that may be given. */
bool trusted_roles(struct ctx *ctx, const struct trusted *trusted, const json_t *claims, struct list *out);
/* Whether they may be given, and so taken. */
bool trusted_may_give(const struct trusted *trusted, const char *code);

/* What auth.jwks answers: `own` and these. Where it is asked for a key (`issuer`, `kid`; else NULL), that issuer is. */
char *trusted_jwks(struct ctx *ctx, const struct trusted *trusted, const char *own, const char *issuer,
                   const char *kid);
