#pragma once
/*
 * What somebody does that an operator may want to know of later. The handler
 * says so (deed_begin), and the write that does it carries it as an event, in
 * the same atomic write: what was done is in the trail, what was not is not.
 * Events are read by many and kept for days, so where it came from is sealed in
 * it; audit.h takes it out of the stream into the store.
 */
#include "crypto/vault.h"
#include "http/endpoint.h"
#include "store/store.h"

#define DEED_TYPE "event.user.audited"

/* Who did it. What somebody tried who showed nothing (a wrong password) is nobody's known. */
enum deed_actor { ACTOR_USER, ACTOR_OPERATOR, ACTOR_UNKNOWN };
extern const char *const deed_actors[]; /* "USER", "OPERATOR" (the command line), "UNKNOWN" */

struct deed {
    int actor;           /* enum deed_actor */
    const char *by;      /* a user's id; NULL: of no account that is known */
    const char *session; /* NULL as well */
    const char *action;  /* "user.roles" */
    const char *detail;  /* what it was made, no secrets and no names of people; NULL = nothing more to say */
    const char *origin;  /* a struct whence as JSON, sealed by the vault; NULL = not known */
};
extern const struct field deed_fields[];

struct whence {
    const char *address, *device;
};
extern const struct field whence_fields[];

/* The next write of `ctx` that deed_with() is part of carries this. ERROR_UNAVAILABLE where the vault is away. */
bool deed_begin(struct request *req, const struct vault *vault, const char *action, const char *detail);
/* The same without a request. `vault` NULL: where from is not told. */
bool deed_of(struct ctx *ctx, const struct vault *vault, struct deed deed, const struct whence *whence);
/* Where it came from; the members are NULL where that is not known. */
struct whence deed_whence(struct ctx *ctx, const struct vault *vault, const struct deed *deed);

/* The events of a write, with the deed's where there is one; in ctx->arena. */
struct events deed_with(struct ctx *ctx, struct events own);
/* It is carried once: `written` comes back. */
bool deed_written(struct ctx *ctx, bool written);

/* "A,B,C", for a detail; at most 500 bytes of it. */
const char *deed_list(struct ctx *ctx, const struct list *texts);
