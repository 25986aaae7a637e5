#pragma once
#include "http/route.h"
#include "profile/profile.h"

extern const struct route profile_routes[]; /* with a struct users */
