#pragma once
/*
 * Bodies of more than a mebibyte lie in files that h2o makes in TMPDIR. Where
 * there is no room for one, h2o resets the connection (HTTP/1) or the stream
 * (HTTP/2) without a word: so room is looked for before, and the answer is 507.
 * The state is h2o's own setting. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>

enum { SPOOL_FROM = 1 << 20 };

/* Before h2o reads anything. */
void body_spool_start(void);
/* Whether a body of this size fits. A file grows to twice of what is in it. */
bool body_spool_has_room(int64_t size);
/* From now on bodies stay in memory: the end of one on HTTP/2 must be waited for before it can be answered. */
void body_spool_avoid(void);
bool body_spool_avoided(void);
/* Now and then: files again, once there is room. */
void body_spool_look(void);
