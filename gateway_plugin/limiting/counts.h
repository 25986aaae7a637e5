#pragma once
/*
 * How often somebody has been here, in each of the windows that limits are set
 * for. In memory that all processes of the edge share: one count for each,
 * whoever serves them, and it stays when one of them dies. Bounded: of more than
 * COUNTS_MAX who are limited, those not seen for longest are forgotten first.
 */
#include "limiting/periods.h"
#include "apikey/rates.h"

#include <stddef.h>

enum { COUNTS_MAX = 65536 };

struct counts;

/* Requests that were refused by a limit, and that no Redis could count in time. */
struct limit_totals {
    _Atomic int64_t reached, unknown;
};

/* Before the processes are forked. */
struct counts *counts_create(void);
void counts_destroy(struct counts *counts);

/* The place of whoever this text names: of others it cannot be chosen to fall together with. */
struct rate_id counts_id(const struct counts *counts, const char *who, size_t size);
/*
 * Counts a request at `now_s` (seconds since 1970) unless a limit of a window (0: it has none) has been reached.
 * `used` becomes what there was in each window before.
 */
bool counts_take(struct counts *counts, struct rate_id id, const int64_t limits[PERIODS], int64_t now_s,
                 int64_t used[PERIODS]);
/* Others have counted too: in the windows of `now_s` there are at least so many (0: nothing is known). */
void counts_raise(struct counts *counts, struct rate_id id, const int64_t totals[PERIODS], int64_t now_s);
