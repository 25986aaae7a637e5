#pragma once
#include "apikey/apikeys.h"
#include "nats/serve.h"

extern const struct subject apikey_subjects[]; /* with a struct apikeys */
