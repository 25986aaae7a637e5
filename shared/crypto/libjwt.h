#pragma once
/* libjwt's header has an `enum jwt_alg` too: of other values, and none of ours to see. */
#define jwt_alg libjwt_alg
#include <jwt.h>
#undef jwt_alg
