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

/* Remembers a picture whose blob is `hash`; the same picture is the same cover. Its id, NULL on failure. */
const char *cover_store_put(struct ctx *ctx, struct store *store, const char *hash, const struct cover *cover);
/* ERROR_NOT_FOUND, also for what is no id. */
struct cover_doc *cover_store_get(struct ctx *ctx, struct store *store, const char *id);
