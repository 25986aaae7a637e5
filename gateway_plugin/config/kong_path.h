#pragma once
/* The paths of a route. Internal to config/. */
#include "config/config.h"

/* `old`: of a file before format 3.0. false, and `*why` says what it is not. */
bool kong_path_read(struct pattern **patterns, struct arena *arena, const char *text, bool old, struct kong_path *path,
                    const char **why);
