#pragma once
/* What other processes ask about tracks. */
#include "nats/serve.h"

extern const struct subject track_subjects[]; /* mount with a struct tracks */
