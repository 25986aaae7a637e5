#pragma once
/* What options_read() filled, as JSON in the shape of Kong's admin API. */
#include "config/options.h"

#include <jansson.h>

/* A reference for the caller. Every field of the table but those that its owner writes (OPTION_CHILD) and
 * notes; what is not set is null, and so is what the edge does not have. Secrets are not shown. */
json_t *options_json(const struct option *options, const void *in);
/* null where `text` is NULL. */
json_t *json_text(const char *text);
