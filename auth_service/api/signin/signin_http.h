#pragma once
#include "http/route.h"
#include "signin/signin.h"

extern const struct route signin_routes[]; /* with a struct signin */
