#pragma once
/* For tests: a clock for promises in time. It stands still while the machine lets nobody run, so that what it measures
 * is what we took and not what others had to do: another's load, a virtual machine that is held up. Any thread. */
#include <stdint.h>

/* Milliseconds since some time in this process; never more of them than clock_ms() counts between two calls. On a
 * machine of one's own both run alike. A child that is forked after the first call reads its parent's; before it, one
 * of its own. */
int64_t calm_ms(void);
/* Sleeps until it has counted so many. */
void calm_sleep(int64_t ms);
