#pragma once
/*
 * Kong's templates as far as they ask for something by name:
 * $(headers.NAME), $(query_params.NAME), $(uri_captures.NAME), each also as
 * ["NAME"] or [1], and $(A or B or 'text'). Lua beyond that is refused.
 */
#include "base/buf.h"

#include <stdbool.h>

enum template_source { TEMPLATE_HEADERS, TEMPLATE_QUERY, TEMPLATE_CAPTURES };

struct template_env {
    struct arena *arena;
    /* NULL: there is none. */
    const char *(*value)(void *self, enum template_source source, const char *name);
    void *self;
};

/* For .valid of an option's table. */
bool template_valid(const char *text);
#define TEMPLATE_RULE                                                                                                  \
    "holds a template that is not supported: $(headers.NAME), $(query_params.NAME), $(uri_captures.NAME), with `or` "  \
    "between them and 'text'"
/* Of a valid one; what has no value is empty. `text` itself where it asks for nothing. */
const char *template_render(const struct template_env *env, const char *text);
