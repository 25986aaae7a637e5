#pragma once
/* What of Kong the edge does not have, by name. */

struct kong_refused {
    const char *name, *instead;
};

/* NULL-terminated. A plugin that the edge gets leaves this list: see test_config.c. */
extern const struct kong_refused refused_plugins[];
