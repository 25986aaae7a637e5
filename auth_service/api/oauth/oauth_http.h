#pragma once
#include "http/route.h"
#include "oauth/oauth.h"

extern const struct route oauth_routes[]; /* with a struct oauth */
