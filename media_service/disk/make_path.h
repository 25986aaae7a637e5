#pragma once
#include <stdbool.h>

/* mkdir -p, for this user alone. false: errno says why. */
bool make_path(const char *path);
