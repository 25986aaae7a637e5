#pragma once
/* What editors do over HTTP. */
#include "http/route.h"

extern const struct route editor_routes[]; /* mount with a struct tracks */
