#pragma once
#include "issuer/foreign_token.h"

/* The account with the roles that the claims of its newest token give it (foreign_token.h). `issuer` is for the trail.
 */
struct user *foreign_roles_keep(struct ctx *ctx, const struct foreign *foreign, const char *issuer,
                                const json_t *claims, struct user *user);
