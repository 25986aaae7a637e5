#pragma once
/*
 * Where a credential may stand in a request: a header, the query, a cookie. And
 * how it is taken out of there, so that the service does not see it.
 */
#include "exchange/exchange.h"

/* How often it is there; `*out` is the first one, as it is meant (escapes of the query undone). */
size_t credential_in_header(const struct exchange *x, const char *lower_name, h2o_iovec_t *out);
size_t credential_in_query(struct exchange *x, const char *name, h2o_iovec_t *out);
size_t credential_in_cookie(const struct exchange *x, const char *name, h2o_iovec_t *out);

/* All of this name. */
void credential_hide_header(struct exchange *x, const char *lower_name);
void credential_hide_query(struct exchange *x, const char *name);
void credential_hide_cookie(struct exchange *x, const char *name);

/* What stands in quotes in WWW-Authenticate. */
bool is_realm(const char *text);
#define REALM_RULE .valid = is_realm, .rule = "cannot stand in a header in quotes"
