#pragma once
/* Which answers of providers have been taken: each `state` is good for one, whichever replica it reaches. */
#include "store/store.h"

extern const struct collection oauth_used_collection;

/* Marks it as used, until `until` (unix ms), after which it is good for nothing anyway. ERROR_UNAUTHORIZED where it is
 * marked already: of many at once one gets true. */
bool oauth_use(struct ctx *ctx, struct store *store, const char *state, int64_t until);
/* A chore: removes what no longer counts. */
bool oauth_used_sweep(struct ctx *ctx, void *store);
