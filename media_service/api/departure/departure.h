#pragma once
/*
 * People whose account is deleted (event.user.deleted). What they had not published goes, with its drafts and the words
 * of editors; what is public stays, under an anonymous uploader. Each step is idempotent, so that an event that comes
 * again, to this replica or another, finds nothing left to do.
 */
#include "nats/consumer.h"
#include "track/tracks.h"

struct departed {
    struct doc doc; /* the user's id */
    int64_t at;
};
extern const struct collection departed_collection; /* give it to store_open() */

/* A consumer's handler (durable "media", event.user.deleted); `tracks` is a struct tracks. */
bool departure_handle(struct ctx *ctx, void *tracks, const struct consumed *event);

/* All that is done when this person goes. False where something is left to do: the event comes again. */
bool departure_of(struct ctx *ctx, const struct tracks *tracks, const char *owner);

/* The same once more, for one who is gone (*gone): what was public has been taken back, say. */
bool departure_again(struct ctx *ctx, const struct tracks *tracks, const char *owner, bool *gone);
/*
 * What somebody has just written: whose account went while they were at it (their token was good a moment ago) leaves
 * nothing behind. NULL: `track` is, or ERROR_UNAUTHORIZED, as they are gone.
 */
struct track *departure_check(struct ctx *ctx, const struct tracks *tracks, struct track *track);
