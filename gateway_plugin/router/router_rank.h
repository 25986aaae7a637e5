#pragma once
/* Which of two routes comes first: Kong's order as a number. */
#include "config/config.h"

/* `way`: one of the route's; NULL: it has no paths. The larger comes first. */
uint64_t router_rank(const struct kong_route *route, const struct kong_path *way);
