#pragma once
/* What an artist does with their own tracks. Another's is ERROR_NOT_FOUND, a step that the table does not know
 * ERROR_CONFLICT. */
#include "track/tracks.h"

/* As it comes from the artist. */
struct draft {
    const char *title, *description;
    struct list tags;
    const char *language;
};
extern const struct field draft_fields[];

struct track *studio_create(struct ctx *ctx, const struct tracks *tracks, const char *owner, const struct draft *draft);
/* Replaces all that a draft says. */
struct track *studio_edit(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *id,
                          const struct draft *draft);
/* `name`: the artist's, for files that name none. */
struct track *studio_upload(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *name,
                            const char *id, int fd);
/* TRACK_SUBMIT, TRACK_WITHDRAW, TRACK_DELETE. */
struct track *studio_step(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *id,
                          enum track_action action);
