#pragma once
#include "http/route.h"
#include "user/user.h"

extern const struct route role_routes[]; /* with a struct users */
