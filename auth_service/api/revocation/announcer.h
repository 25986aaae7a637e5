#pragma once
/*
 * What auth has ended or changed is told to everybody by the revocation feed.
 * The write in the store decides: it marks the document with the time since
 * which it waits to be told (`announce`), so that a broadcast that failed (NATS
 * is away, this process died) is made up from the store by any replica.
 */
#include "nats/feed.h"
#include "store/store.h"

enum { UNTOLD_PAGE = 100 };

struct untold {
    const char *id;
    int64_t version; /* of a user; 0 for others */
};

/* A kind of document that is told of. */
struct announced {
    enum revoked kind;
    /* Those marked at or before `now`, at most UNTOLD_PAGE. */
    bool (*pending)(struct ctx *ctx, struct store *store, int64_t now, struct untold **out, size_t *count);
    /* Everybody has been told: the mark goes, or the document. */
    bool (*settle)(struct ctx *ctx, struct store *store, const struct untold *item);
};

struct announcer {
    struct store *store;
    struct feed *feed;
    const struct announced *const *kinds; /* NULL-terminated */
};

/* After the write: known in this process at once, told to the others within 250 ms or left to announce_pending().
 * `announcer` may be NULL. Never fails. */
void announce(struct ctx *ctx, const struct announcer *announcer, const struct announced *what, const char *id,
              int64_t version);
/* Known in this process at once; the others are told by announce_pending(). */
void announce_later(const struct announcer *announcer, const struct announced *what, const char *id, int64_t version);
/* A chore (keeper.h): tells what is marked. False when NATS or the store is away. */
bool announce_pending(struct ctx *ctx, void *announcer);
