#pragma once
/*
 * Where a scan goes on: the remaining index fields and the id of the last row,
 * behind a hash of the query they belong to, base64url. A cursor is no secret
 * and grants nothing: the query's own bounds hold again on the next page, and
 * a position outside of them is refused.
 */
#include "store/backend.h"

/* The cursor after `row`. */
char *cursor_make(struct ctx *ctx, const struct query *query, const struct row *row);
/* Sets query->after and after_id. ERROR_INVALID for what is no cursor of this query. */
bool cursor_read(struct ctx *ctx, const char *cursor, struct query *query);
