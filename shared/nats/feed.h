#pragma once
/*
 * The revocation feed: auth.session.revoked, auth.apikey.revoked and
 * auth.user.changed, kept in the stream REVOKED and followed from this
 * process's last sequence with heartbeats, so that a gap is seen and made up.
 * Every answer about a token or a key that is remembered must be looked at
 * here on every hit and before every insert.
 */
#include "nats/bus.h"

struct feed;

enum revoked { REVOKED_SESSION, REVOKED_APIKEY, CHANGED_USER };

/*
 * Roles hang together: a change of one is told as a change of the user of this
 * name, which nobody has, and its version is that of all of them. So a process
 * of an older version takes it for somebody it does not know, and no stream or
 * permission is another than before.
 */
#define FEED_ROLES "roles"

struct feed_options {
    struct bus *bus;
    int64_t keep_ms; /* how long an id is remembered: longer than a token lives */
    /* Any thread, does not block, may come twice for one message: drop what you remember of it. May be NULL. */
    void (*changed)(void *self, enum revoked kind, const char *id, int64_t version);
    /* Revocations may have been missed for good (the stream was lost): drop all that you remember. Same rules. May be
     * NULL. */
    void (*lost)(void *self);
    void *self;
};

struct feed *feed_open(struct ctx *ctx, const struct feed_options *options);
void feed_close(struct feed *feed);

/* No gap: everything revoked until (about) now is known here. False while NATS is away, or the stream is behind. */
bool feed_whole(const struct feed *feed);
/* Everything revoked until then (clock_ms()) is known here; stands still while the feed is not whole. 0 = nothing yet.
 */
int64_t feed_known_ms(const struct feed *feed);
/* An answer asked for under another generation must be asked for again: grows with each `lost`. */
uint64_t feed_generation(const struct feed *feed);
/* Session or key ended; or a user's version newer than `version` is known. Any thread. */
bool feed_revoked(struct feed *feed, enum revoked kind, const char *id, int64_t version);
/* Roles newer than `version` are known: what was answered under it must be asked for again. No lock is taken. */
bool feed_roles_newer(const struct feed *feed, int64_t version);
/* For this process's own revocations: known here at once. */
void feed_note(struct feed *feed, enum revoked kind, const char *id, int64_t version);

/* auth only: publishes to the stream and waits for its acknowledgement (a worker thread). UNAVAILABLE when it is not
 * kept. */
bool feed_publish(struct ctx *ctx, struct feed *feed, enum revoked kind, const char *id, int64_t version);
