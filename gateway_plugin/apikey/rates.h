#pragma once
/*
 * How many requests an API key has had in its minute. In memory that all
 * processes of the edge share: one count for each key, whoever serves it,
 * and it stays when one of them dies. Bounded: of very many keys with a limit,
 * those whose minute began first are forgotten first.
 */
#include <stdbool.h>
#include <stdint.h>

struct rates;

/* A key's place, made from its id. */
struct rate_id {
    uint64_t words[2];
};

/* Before the processes are forked. */
struct rates *rates_create(void);
void rates_destroy(struct rates *rates);
struct rate_id rate_id_of(const char *id);
/* Counts a request at `now_s` (seconds on clock_ms()). false: there were `per_minute` within this minute. */
bool rates_take(struct rates *rates, struct rate_id id, int64_t per_minute, int64_t now_s, int64_t *remaining,
                int64_t *reset_s);
