#pragma once
/* What a client is told of its limits: RateLimit-*, X-RateLimit-*, Retry-After. */
#include "limiting/periods.h"

#include <h2o.h>
#include <stdbool.h>

struct exchange;

struct rate_told {
    int64_t remaining[PERIODS], now_s;
    enum period tightest; /* the window whose end is nearest; of two as near the longer one */
    bool full;            /* a limit has been reached: the request is refused */
};

/* `used`: before this request. In the request's pool. */
struct rate_told *rate_tell(struct exchange *x, const int64_t limits[PERIODS], const int64_t used[PERIODS],
                            int64_t now_s);
/* In a header hook: instead of what the service says under these names. `texts`: the limits in digits. */
void rate_told_write(struct exchange *x, const struct rate_told *told, const int64_t limits[PERIODS],
                     const h2o_iovec_t texts[PERIODS]);
