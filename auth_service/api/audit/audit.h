#pragma once
/*
 * The trail: who did what, when, to whom and from where. A document for each
 * deed, its id that of the event that carried it, so that one that comes twice
 * (or from a replayed stream) is one. Written by one replica or the other, a
 * moment after the deed; what waits while NATS is away comes later.
 */
#include "audit/deed.h"
#include "nats/consumer.h"

struct audit_entry {
    struct doc doc;
    int64_t at;
    int actor; /* enum deed_actor */
    const char *by, *session, *action, *target, *detail;
    const char *address, *device; /* NULL where not known, and of those whose account is deleted */
};

struct audit {
    struct store *store;
    const struct vault *vault;
    int64_t keep_ms;         /* then entries go ... */
    int64_t keep_signins_ms; /* ... and those of sign-ins, which are many, after this */
};

/* An entry of its own, under its id; true also where that is there already. */
bool audit_write(struct ctx *ctx, const struct audit *audit, struct audit_entry *entry);
/*
 * What was refused and is told all the same: somebody guesses. No write of ours goes with it, so it is an entry of its
 * own; its id and its time are set here. Takes half a second at the most, is the same work whatever it says, and never
 * fails: without a store there is no entry.
 */
void audit_refused(struct ctx *ctx, const struct audit *audit, const struct audit_entry *entry);

/* A consumer's handler (durable "auth", event.user.>). */
bool audit_handle(struct ctx *ctx, void *audit, const struct consumed *event);

/* NULL: any. 0: from the beginning, to the end. */
struct audit_asked {
    const char *by, *target, *action;
    int64_t since, until; /* unix ms: at or after, before */
};
/* struct audit_entry's, newest first. */
bool audit_list(struct ctx *ctx, const struct audit *audit, const struct audit_asked *asked, size_t limit,
                const char *cursor, struct page *out);
/* A chore: removes those that are old. */
bool audit_sweep(struct ctx *ctx, void *audit);
