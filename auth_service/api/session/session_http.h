#pragma once
#include "http/route.h"
#include "session/session.h"

struct session_service {
    const struct users *users;
    const struct sessions *sessions;
};

extern const struct route session_routes[]; /* with a struct session_service */
