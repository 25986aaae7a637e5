#pragma once
/* Tracks in the store. */
#include "track/track_state.h"

extern const struct collection track_collection; /* give it to store_open() */

/* Sets id, slug (from the working version's title) and times. */
bool track_store_insert(struct ctx *ctx, struct store *store, struct track *track);
/* ERROR_NOT_FOUND, also for what is no id. */
struct track *track_store_get(struct ctx *ctx, struct store *store, const char *id);
struct track *track_store_by_slug(struct ctx *ctx, struct store *store, const char *slug);

/*
 * Writes a track that was moved along `transition`, with its event, if nobody
 * else has written since it was read: else ERROR_CONFLICT. A slug that is taken
 * is the same error; read again and the next free one is chosen.
 */
bool track_store_save(struct ctx *ctx, struct store *store, struct track *track, const struct transition *transition);

/* Lists, newest first. `state` "draft", ... ; NULL = all. */
bool track_store_by_owner(struct ctx *ctx, struct store *store, const char *owner, const char *state, size_t limit,
                          const char *cursor, struct page *out);
/* All of an owner's, those changed longest ago first: one that is changed meanwhile comes (again) at the end. */
bool track_store_of(struct ctx *ctx, struct store *store, const char *owner, size_t limit, const char *cursor,
                    struct page *out);
bool track_store_by_state(struct ctx *ctx, struct store *store, const char *state, size_t limit, const char *cursor,
                          struct page *out);
bool track_store_latest(struct ctx *ctx, struct store *store, size_t limit, const char *cursor, struct page *out);
bool track_store_by_tag(struct ctx *ctx, struct store *store, const char *tag, size_t limit, const char *cursor,
                        struct page *out);
