#pragma once
#include "http/route.h"
#include "token/refresh.h"

extern const struct route token_routes[]; /* with a struct refresh */
