#pragma once
#include "http/route.h"
#include "signin/signin.h"

extern const struct route admin_routes[]; /* with a struct signin */
