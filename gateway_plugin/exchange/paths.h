#pragma once
/*
 * One normal form of a request's path, made once: what is matched is what is
 * forwarded. Dot segments are resolved, slashes merged, needless escapes of
 * letters undone, the other escapes written in capitals. An escaped slash,
 * backslash or dot, a control character, a raw backslash or `#` is refused:
 * somebody behind the edge might read it differently.
 */
#include <stdbool.h>
#include <stddef.h>

struct path {
    const char *text; /* path, and the query with its `?` */
    size_t size;      /* of the path */
    size_t total;     /* with the query */
};

enum path_form {
    PATH_BAD,
    PATH_NORMAL,  /* `in` is in its normal form: use it as it is */
    PATH_REWRITE, /* path_rewrite() gives it */
};

/* Looks only. *path points into `in`; it is complete for PATH_NORMAL. */
enum path_form path_look(const char *in, size_t size, struct path *path);
/* `out` has room for three times `size`. false: PATH_BAD after all. */
bool path_rewrite(const char *in, size_t size, char *out, struct path *path);
