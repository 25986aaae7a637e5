#pragma once
/*
 * The members of a JSON object, one after the other, without a look into their
 * values: for a body to which fields are added. What is no JSON at this level is
 * found; what is wrong within a value is left to whoever reads it.
 */
#include <stdbool.h>
#include <stddef.h>

struct json_object {
    const char *at, *end;
    bool begun, bad;
};

struct json_member {
    const char *name; /* between its quotes, as it stands */
    size_t name_size;
    const char *text; /* the whole member, from its name's quote */
    size_t size;
};

/* Does it begin as an object? */
bool json_object_open(struct json_object *object, const char *text, size_t size);
/* false: there are no more, or (`bad`) what comes is no member. A name with escapes is bad: it could be any. */
bool json_object_next(struct json_object *object, struct json_member *member);
