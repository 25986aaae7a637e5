#pragma once
/* A request's target taken apart: the decoded path and the decoded pairs of the query. */
#include "http/endpoint.h"

enum { QUERY_MAX = 64 };

/*
 * Fails with INVALID: a bad %-escape, a NUL, text that is not UTF-8, more than
 * QUERY_MAX pairs. In a query '+' is a space.
 */
bool target_parse(struct ctx *ctx, const char *target, size_t size, const char **path, const struct pair **query);
