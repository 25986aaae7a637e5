#pragma once
#include "http/route.h"
#include "issuer/trusted.h"
#include "key/key_ring.h"

/* What the routes and subjects of keys are mounted with. */
struct key_service {
    struct key_ring *ring;
    const struct trusted *trusted; /* told over NATS alone */
};

extern const struct route key_routes[];
