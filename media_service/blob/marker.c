#include "blob/marker.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char file_name[] = "marker";
static const char marker_id[] = "blobs";

enum { MARKER_LENGTH = 24 };

struct marker {
    struct doc doc;
    const char *marker;
    bool confirmed; /* the file was seen to be there */
};

static const struct field marker_fields[] = {
    FIELD("marker", TEXT, struct marker, marker),
    FIELD("confirmed", FLAG, struct marker, confirmed),
    { 0 },
};

const struct collection marker_collection = { "blobMarkers", marker_fields, sizeof(struct marker), NULL };

/* NULL without an error: there is none. */
static const char *file_read(struct ctx *ctx, const struct blobs *blobs)
{
    _cleanup_(closep) int fd = openat(blobs_folder(blobs), file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return NULL;
    char text[MARKER_LENGTH + 2] = "";
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        return ctx_fail(ctx, ERROR_INTERNAL, "the marker of BLOB_URL cannot be read: %s", strerror(errno));
    text[strcspn(text, "\n")] = '\0';
    return arena_strdup(&ctx->arena, text);
}

/* Whole or not at all, and never over another one. */
static bool file_write(struct ctx *ctx, struct blobs *blobs, const char *marker)
{
    char self[64];
    _cleanup_(closep) int fd = openat(blobs_folder(blobs), "tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, marker, strlen(marker)) != (ssize_t)strlen(marker) || write(fd, "\n", 1) != 1 ||
        fsync(fd) < 0 ||
        (linkat(AT_FDCWD, self, blobs_folder(blobs), file_name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST) ||
        fsync(blobs_folder(blobs)) < 0)
        return ctx_fail(ctx, ERROR_INTERNAL, "the marker of BLOB_URL cannot be written: %s", strerror(errno));
    return true;
}

/* Replicas that start at once agree on one document. */
static bool document(struct ctx *ctx, struct store *store, bool make, struct marker *out)
{
    if (store_get(ctx, store, &marker_collection, marker_id, out))
        return true;
    if (!ctx_forgive(ctx, ERROR_NOT_FOUND))
        return false;
    if (!make)
        return ctx_fail(ctx, ERROR_CONFLICT, "the folder of BLOB_URL belongs to another store");
    *out = (struct marker){ .doc.id = marker_id, .marker = id_new(&ctx->arena) };
    if (store_insert(ctx, store, &marker_collection, out, NO_EVENTS))
        return true;
    return ctx_forgive(ctx, ERROR_CONFLICT) && store_get(ctx, store, &marker_collection, marker_id, out);
}

static bool confirm(struct ctx *ctx, struct store *store, struct marker *marker)
{
    marker->confirmed = true;
    return store_update(ctx, store, &marker_collection, marker, (struct update){ .set = FIELDS("confirmed") }) ||
           ctx_forgive(ctx, ERROR_CONFLICT); /* another replica did */
}

const char *blobs_marked(struct ctx *ctx, struct blobs *blobs, struct store *store)
{
    const char *there = file_read(ctx, blobs);
    struct marker marker;
    if (ctx->error || !document(ctx, store, there == NULL, &marker))
        return NULL;
    /* A start that ended between the two writes is finished here: the document comes first and says so until it is
     * confirmed. */
    if (!there && !marker.confirmed) {
        if (!file_write(ctx, blobs, marker.marker) || !(there = file_read(ctx, blobs)))
            return NULL;
    }
    if (!there)
        return ctx_fail(ctx, ERROR_CONFLICT, "the folder of BLOB_URL is not the one of this store: it has no marker");
    if (!text_equal(there, marker.marker))
        return ctx_fail(ctx, ERROR_CONFLICT, "the folder of BLOB_URL belongs to another store");
    return marker.confirmed || confirm(ctx, store, &marker) ? there : NULL;
}
