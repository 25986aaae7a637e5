#pragma once
/* What comes from the projection over HTTP: search, similar, artists, albums, genres. */
#include "http/route.h"

extern const struct route search_routes[]; /* mount with a struct tracks */
