#pragma once
/*
 * A store and a folder of blobs belong together: a marker in both must agree.
 * What it keeps from happening: a volume that was not mounted, or another
 * machine's empty folder, taken for the place where all the music is.
 */
#include "blob/blob.h"
#include "store/store.h"

extern const struct collection marker_collection; /* give it to store_open() */

/* The marker, which no other store has; made in both where both are new. NULL, ERROR_CONFLICT: they do not belong
 * together; do not start. */
const char *blobs_marked(struct ctx *ctx, struct blobs *blobs, struct store *store);
