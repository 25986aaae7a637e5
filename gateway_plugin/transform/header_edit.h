#pragma once
/* Kong's five ways to change headers, on those of a request or an answer. Case does not count in names. */
#include <h2o.h>
#include <stdbool.h>

struct header_edit {
    h2o_mem_pool_t *pool;
    h2o_headers_t *headers;
};

/* Names are given in lower case; names and values stay where they are. */
bool header_edit_has(const struct header_edit *edit, const char *name);
void header_edit_remove(struct header_edit *edit, const char *name);
/* What has the new name goes, where there is one with the old. */
void header_edit_rename(struct header_edit *edit, const char *from, const char *to);
/* Only where there is one: one is left. */
void header_edit_replace(struct header_edit *edit, const char *name, const char *value);
/* Only where there is none. */
void header_edit_add(struct header_edit *edit, const char *name, const char *value);
/* One more. */
void header_edit_append(struct header_edit *edit, const char *name, const char *value);
