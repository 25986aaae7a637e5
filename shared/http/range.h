#pragma once
/* Conditions and ranges of RFC 9110 for a body of known size and entity tag. */
#include "http/endpoint.h"

enum range_kind { RANGE_NONE, RANGE_PART, RANGE_UNSATISFIABLE };

struct range {
    int64_t from, size;
};

/* "bytes=0-99", "bytes=100-", "bytes=-100". Several ranges, other units and what is malformed are RANGE_NONE: all of
 * it. */
enum range_kind range_parse(const char *header, int64_t size, struct range *out);
/* Whether If-None-Match names the tag (weakly compared). */
bool none_match(const char *header, const char *etag);
/* Whether a Range counts: If-Range is not there, or is this strong tag. */
bool if_range(const char *header, const char *etag);
