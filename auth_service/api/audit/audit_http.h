#pragma once
#include "audit/audit.h"
#include "http/route.h"

extern const struct route audit_routes[]; /* with a struct audit */
