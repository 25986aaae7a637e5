#pragma once
#include "key/key_http.h"
#include "nats/serve.h"

extern const struct subject key_subjects[]; /* with a struct key_service */
