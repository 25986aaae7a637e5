#pragma once
/* What everybody with a key sees: published tracks, their audio, their covers. */
#include "http/route.h"

#define CACHE_TRACKS "tracks" /* kept answers that a change of any published track drops */

extern const struct route track_routes[]; /* mount with a struct tracks */
