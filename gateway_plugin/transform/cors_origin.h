#pragma once
/*
 * The origins that Kong's cors plugin lets in: `*`, an origin (http://example.com),
 * a host, or a regular expression (PCRE2), which must fit from beginning to end;
 * one without a colon is held against the host alone. Matching is bounded.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct cors_origin {
    const char *text; /* as it was given */
    bool any;         /* `*` */
    bool by_host;
    struct origin_pattern *pattern; /* NULL: text */
};

/* An origin as browsers send it, without the port that its scheme has anyhow. */
struct sent_origin {
    const char *text, *host;
    size_t size, host_size;
};

bool cors_origin_valid(const char *text);
struct cors_origin cors_origin_make(struct arena *arena, const char *text);
struct sent_origin sent_origin_read(const char *text, size_t size);
bool cors_origin_fits(const struct cors_origin *origin, const struct sent_origin *sent);
