#pragma once
/* Covers: a blob that is known to be a picture. Audio blobs have no document here, so none can be asked for as a cover.
 */
#include "probe/probe.h"
#include "store/store.h"

struct cover_doc {
    struct doc doc;
    const char *hash;       /* the blob */
    const char *media_type; /* image/jpeg, image/png */
    int64_t width, height, size;
};

extern const struct collection cover_collection; /* give it to store_open() */

/* The id of a picture whose blob is `hash`: the same picture is the same cover. */
const char *cover_id(struct arena *arena, const char *hash);
/* Remembers it under an id; one that is there stays. */
bool cover_store_put(struct ctx *ctx, struct store *store, const char *id, const char *hash, const struct cover *cover);
/* ERROR_NOT_FOUND. */
struct cover_doc *cover_store_get(struct ctx *ctx, struct store *store, const char *id);
