#pragma once
#include "nats/serve.h"
#include "user/user.h"

extern const struct subject role_subjects[]; /* with a struct users */
