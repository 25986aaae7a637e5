#pragma once
/* Covers as they are asked for: as large as they came, or made smaller once and kept. */
#include "track/cover_store.h"
#include "track/tracks.h"

enum { COVER_SIZE_MAX = 4096 }; /* pixels that may be asked for */

/*
 * `size` in pixels of the longer side, rounded up to one of a few that are
 * kept; 0 = as it came, which is also the answer to what is larger. Errors as
 * cover_store_get(), and as probe_picture() the first time.
 */
struct cover_doc *cover_of_size(struct ctx *ctx, const struct tracks *tracks, const char *id, int64_t size);
