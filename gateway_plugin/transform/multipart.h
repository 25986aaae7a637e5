#pragma once
/*
 * The parts of a multipart/form-data body (RFC 7578) as pairs. What two parsers
 * may read in two ways is not read at all: what is taken out of here must not be
 * found by the service.
 */
#include "transform/pairs.h"

enum { BOUNDARY_MAX = 70 };

/* Of a Content-Type, into `out`. false: there is none, or it is malformed. */
bool multipart_boundary(const char *type, size_t size, char out[BOUNDARY_MAX + 1]);
/* A body of no bytes has no parts. false: it is malformed or ambiguous, or there are too many parts. */
bool pairs_read_multipart(struct pairs *pairs, struct arena *arena, const char *boundary, const char *data,
                          size_t size);
void pairs_write_multipart(const struct pairs *pairs, struct buf *out);
