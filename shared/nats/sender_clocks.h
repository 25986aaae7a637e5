#pragma once
/*
 * How long a message was under way, where clocks differ: what the quickest message of its sender seemed to take within
 * the last 10 to 20 s is taken for the difference of the clocks (the filter of RFC 5905, section 10, in one direction).
 * Any thread.
 */
#include <stdint.h>

struct sender_clocks;

/* Remembers this many senders. */
struct sender_clocks *sender_clocks_create(unsigned senders);
void sender_clocks_destroy(struct sender_clocks *clocks);

/*
 * Milliseconds beyond those of the quickest. `sent_ms` by the sender's clock, `now_ms` by ours (both since 1970),
 * `tick_ms` on clock_ms(). Of a sender that is new the first one is the quickest.
 */
int64_t sender_clocks_age(struct sender_clocks *clocks, const char *sender, int64_t sent_ms, int64_t now_ms,
                          int64_t tick_ms);
