#pragma once
/* Search as other processes ask for it. */
#include "nats/serve.h"

extern const struct subject search_subjects[]; /* mount with a struct tracks */
