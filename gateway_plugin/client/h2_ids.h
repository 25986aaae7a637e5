#pragma once
/*
 * The ids of an answer over HTTP/2. h2o would tell them like any other header: put them into HPACK's table of what the
 * client has seen, where they never come again, push out what does, and are looked through for each header. Here h2o
 * tells the rest, and the ids follow as literals that nobody remembers: a quarter of the processor time of an answer.
 */
#include <h2o.h>

extern const h2o_iovec_t h2_request_id, h2_traceparent; /* the names of the last two headers of an answer */

struct st_h2o_hpack_header_table_t;

/* Writes the HEADERS of an answer. */
typedef void h2_flatten_fn(h2o_buffer_t **out, struct st_h2o_hpack_header_table_t *table, uint32_t stream,
                           size_t frame_max, h2o_res_t *res, h2o_timestamp_t *now, const h2o_iovec_t *server,
                           size_t length);

/* libh2o finds its own functions by name like everybody else, so this one stands in for its own ... */
h2_flatten_fn h2o_hpack_flatten_response;
/* ... which is this. */
h2_flatten_fn *h2_flatten_of_h2o(void);
