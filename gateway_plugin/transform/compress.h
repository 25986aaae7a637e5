#pragma once
/*
 * gzip and brotli for answers that gain from it: text of a kilobyte or more
 * that nobody has encoded, that is no range, no stream of events, and that its
 * service has not marked no-transform.
 */
#include "exchange/flow.h"

#include <h2o.h>

struct exchange;

enum coding { CODING_NONE, CODING_GZIP, CODING_BROTLI };

/* EDGE_COMPRESS, an index into compress_names. */
enum compress { COMPRESS_OFF, COMPRESS_GZIP, COMPRESS_BROTLI, COMPRESS_BOTH };
extern const char *const compress_names[];

/* The one that a client likes best among these; brotli where it likes both alike. `accept`: the values of its
 * Accept-Encoding headers. */
enum coding compress_choose(enum compress allowed, const h2o_iovec_t *accept, size_t count);
/* After the header hooks. */
void compress_answer(struct exchange *x, enum compress allowed);

/* NULL: no memory for one more. What has come is never held back: each piece that is taken can be read. */
struct body_filter *compress_gzip(void);
struct body_filter *compress_brotli(void);
