#pragma once
#include "nats/serve.h"
#include "profile/profile.h"

extern const struct subject profile_subjects[]; /* with a struct users */
