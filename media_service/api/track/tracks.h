#pragma once
/* What is done to tracks, whoever does it: the parts they need, and the one way they change. */
#include "track/track_store.h"

struct blobs;
struct probe;
struct projection;

struct tracks {
    struct store *store;
    struct blobs *blobs;
    struct probe *probe;
    struct projection *projection;
    /* After a write that changed what the public sees; drops kept answers. */
    void (*shown)(void *self);
    void *self;
};

struct change {
    enum track_action action;
    const char *owner;  /* only this one's: another's track is not found; NULL = anybody's */
    const char *reason; /* kept with the track where given */
    /* Fills the version that is worked on, after the move; run again where another write came between. May be NULL. */
    bool (*edit)(struct ctx *ctx, void *self, struct version *version);
    void *self;
};

/* Reads, decides by the table, moves, writes; up to 8 times, then ERROR_CONFLICT. The track as it is then; a removed
 * one as it was. */
struct track *track_change(struct ctx *ctx, const struct tracks *tracks, const char *id, const struct change *change);
/* ERROR_NOT_FOUND where it is another's. */
struct track *track_owned(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *id);
/* The public's: ERROR_NOT_FOUND where there is no live version. */
struct track *track_live(struct ctx *ctx, const struct tracks *tracks, const char *id);
struct track *track_live_by_slug(struct ctx *ctx, const struct tracks *tracks, const char *slug);
