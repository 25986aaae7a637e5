#pragma once
/* The edge's own answers: tonearm's envelope. */
#include "base/buf.h"

#include <stdint.h>

extern const char answer_too_large[]; /* names the way for larger ones */

/* "Not Found"; "Error" for what has no name. */
const char *reason_phrase(int status);
/* {"code":"10001","status":...,"message":...,"requestId":...} */
void answer_body(struct buf *out, int status, const char *message, const char *request_id);
/* A whole answer for a client whose request h2o has not seen, which ends the connection. From malloc. `a` to `d` are
 * random; the message is English, and told in `language`. */
char *answer_raw(int status, const char *language, const char *message, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
