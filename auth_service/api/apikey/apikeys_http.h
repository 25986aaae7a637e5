#pragma once
#include "apikey/apikeys.h"
#include "http/route.h"

extern const struct route apikey_routes[]; /* with a struct apikeys */
