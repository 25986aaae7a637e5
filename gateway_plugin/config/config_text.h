#pragma once
/* A configuration from a text, for tests. */
#include "config/config.h"

/* NULL where it is refused. `*faults`: a line for each ("f.yml:3: ..."), "" for none; in the arena. NULL: nobody asks.
 */
struct config *config_from(struct arena *arena, const char *text, const char **faults);
/* The test fails where it is refused. */
struct config *config_good(struct arena *arena, const char *text);
/* What is wrong with it. */
const char *config_faults(struct arena *arena, const char *text);
