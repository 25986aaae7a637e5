#pragma once
/* Consistent hashing: what of a request its member is chosen by. */
#include <stdbool.h>
#include <stdint.h>

struct exchange;

/* false: the request has none of what its upstream asks for, or is not hashed. Where it asks for a cookie that is
 * missing, the answer sets it. */
bool hash_of_request(struct exchange *x, uint64_t *hash);
