#pragma once
/*
 * Bytes under their SHA-256, in a folder (`file:DIR`): DIR/ab/cd/abcd..., new
 * ones under DIR/tmp until they are whole and on the disk. Equal bytes are one
 * blob. No request deletes one: what no document names is swept later, by age.
 * Any thread.
 */
#include "base/ctx.h"
#include "crypto/digest.h"

struct blobs;

/* Makes the folder where it is missing. Fails for a URL it cannot take and a folder it cannot write. */
struct blobs *blobs_open(struct ctx *ctx, const char *url);
void blobs_close(struct blobs *blobs);
/* Where uploads are spooled: the same file system, so that keeping one copies nothing. */
const char *blobs_spool(const struct blobs *blobs);
/* The folder itself, for its marker. */
int blobs_folder(const struct blobs *blobs);
/* For /ready: the folder is there and has room. */
bool blobs_ready(struct ctx *ctx, void *blobs);

/*
 * Keeps the whole file behind `fd`: durable when it returns. `hash` (SHA256_HEX
 * characters and a NUL) names it. An unlinked file (O_TMPFILE) of the spool
 * folder is linked, any other copied; the descriptor stays the caller's and
 * must not be written to again. ERROR_DISK_FULL, ERROR_INTERNAL.
 */
bool blob_keep(struct ctx *ctx, struct blobs *blobs, int fd, char *hash);
bool blob_keep_bytes(struct ctx *ctx, struct blobs *blobs, const void *data, size_t size, char *hash);

/* Opens it for reading; the descriptor is the caller's. -1: ERROR_NOT_FOUND (also for what is no hash), ERROR_INTERNAL.
 */
int blob_open(struct ctx *ctx, const struct blobs *blobs, const char *hash, int64_t *size);
