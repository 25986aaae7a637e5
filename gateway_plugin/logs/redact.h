#pragma once
/*
 * What must not stand in a log: the values of headers and of query fields that
 * may hold a credential. They are told by their names, which are the ones that
 * the plugins of the configuration look for, and those that mean one anywhere.
 * One value too many hidden is a nuisance, one too few a leak.
 */
#include "config/options.h"

#include <stdbool.h>
#include <stddef.h>

extern const char redacted[]; /* "REDACTED", Kong's word */

/* `names`: of the configuration (config->secret_names). */
bool redact_header(const struct texts *names, const char *name, size_t size);
bool redact_field(const struct texts *names, const char *name, size_t size);
/* Copies a target, or a value that may hold a URL, to `out`, with the values of secret fields of its query put out of
 * sight. At most `room` bytes; how many it wrote. */
size_t redact_url(const struct texts *names, const char *url, size_t size, char *out, size_t room);
