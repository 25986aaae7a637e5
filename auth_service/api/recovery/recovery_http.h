#pragma once
#include "http/route.h"
#include "recovery/recovery.h"

extern const struct route recovery_routes[]; /* with a struct recovery */
